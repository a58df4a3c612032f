"""Where an event may be that nobody has stored: what waits in the broker, who works, and what came last."""

from collections.abc import Sequence

from sqlalchemy import Connection

from tasks.cli.output import say
from tasks.store.views.events import EventFilter, list_events

#: What the doctor is asked, by check and subject.
_TELLING = (("broker", None), ("workers", None), ("queue", "events"))


def say_whereabouts(last_event: str) -> None:
    """Print it, a line each, on standard error; it takes seconds where nobody answers."""
    for line in (last_event, *_waiting()):
        say(line, err=True)


def last_event(connection: Connection) -> str:
    """Say which event was stored last."""
    newest = list_events(connection, EventFilter(limit=1))
    if not newest:
        return "No event has ever been stored."
    (event,) = newest
    came = f"{event.received_at:%Y-%m-%d %H:%M:%S} UTC"
    return f"The last event that was stored is {event.id}, {event.event_type}, which came at {came}."


def _waiting() -> Sequence[str]:
    # Celery comes with them, which whoever finds what is sought need not wait for.
    from tasks.doctor import broker  # noqa: PLC0415  # as said above
    from tasks.doctor.rounds import examine_all  # noqa: PLC0415  # as said above

    found = examine_all({"broker": lambda: broker.examine(is_anybody_told=False)})
    return [str(each) for each in found if (each.check, each.subject) in _TELLING]
