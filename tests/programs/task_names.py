"""Prints the names of all tasks."""

import sys

from tasks.celery import app

sys.stdout.write("\n".join(app.tasks))
