"""How the processes of a worker's pool share the memory of what was imported before the fork."""

import gc

from celery.signals import worker_before_create_process


def share_with_children(**_of_the_signal: object) -> None:
    """Keep the garbage collector from what the worker holds when the first child is forked.

    A collection writes into every object that it looks at, and a page that a child writes to becomes its own.
    Only once: what comes later are messages, and those must be collected.
    """
    worker_before_create_process.disconnect(share_with_children)
    gc.collect()
    gc.freeze()
    # The default of 700 objects is reached with a few events, and a message leaves hardly any cycles.
    gc.set_threshold(20_000, 10, 10)
