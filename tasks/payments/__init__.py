"""The rules about one payment, as plain functions: it knows neither broker nor database."""
