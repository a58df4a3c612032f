"""Your own handlers: functions for what should happen besides fulfilment when Coinflow says something.

Import what you need from `tasks.merchant`, and register a function for one or several event types with
its `on`. The function is given the event with its typed payload, and runs as a Celery task of its own on the
queue `handlers`. An error is retried: connection errors and time-outs until they pass, others five times, and
then the event is a dead letter; a `PermanentError` is one at once. A function may be called again after a
crash, so let `event.key` make what it does happen once.

An upgrade need not touch your code: keep it in modules of your own and name them in HANDLERS.
"""
