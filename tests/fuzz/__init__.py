"""Requests near the real ones, by the million; `python -m tests.fuzz` or `make fuzz`."""
