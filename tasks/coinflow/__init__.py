"""What Coinflow sends, as frozen models: it knows neither broker nor database."""
