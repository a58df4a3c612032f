"""A worker that lets what it tells monitors gather for an hour."""

import sys

from celery.__main__ import main

from tasks.worker import consumer

if __name__ == "__main__":
    consumer.EVENTS_GATHER = 3600.0
    sys.argv[1:] = ["-A", "tasks", "worker"]
    main()
