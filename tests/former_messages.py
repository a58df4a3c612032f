"""Sends tasks as a former release does; runs with that release on Python's path.

Standard input is a list of calls, each a task's name and its arguments.
"""

import importlib
import json
import sys

app = importlib.import_module("tasks.celery").app
for name, arguments in json.load(sys.stdin):
    app.send_task(name, arguments)
