"""A broker in one SQLite file, as a kombu transport; it imports nothing else of `tasks`."""
