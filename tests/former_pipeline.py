"""Stores deliveries and fulfils their payments as a former release does; runs with it on Python's path.

Standard input is a list of deliveries.
"""

import importlib
import json
import sys

store = importlib.import_module("tasks.pipeline.intake").store
fulfil = importlib.import_module("tasks.store.fulfilment").fulfil
connect = importlib.import_module("tasks.store.database").connect
settings = importlib.import_module("tasks.settings").Settings.load()
engine = connect(settings.database_url.get_secret_value())
with engine.begin() as connection:
    payment_ids = store(connection, json.load(sys.stdin)).payment_ids
with engine.begin() as connection:
    fulfil(connection, payment_ids)
engine.dispose()
