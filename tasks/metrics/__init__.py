"""What Prometheus is told: computed from database and broker whenever it asks."""
