"""Your own handlers: functions for what should happen besides fulfilment when Coinflow says something.

README shows one. Register a function for one or several event types with `tasks.pipeline.routing.on`; it is
given the event with its typed payload, and runs as a Celery task of its own on the queue `handlers`. An error
is retried: connection errors and time-outs until they pass, others five times, and then the event is a dead
letter; a `tasks.errors.PermanentError` is one at once. A function may be called again after a crash, so let
`event.key` make what it does happen once.
"""
