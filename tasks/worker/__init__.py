"""How Celery is bent to keep a message until its task has run."""
