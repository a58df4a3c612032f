"""What an operator may do about endpoints, each in the caller's transaction with a row that tells of it.

They lock the endpoint, as a drainer does before it locks payments, and wait for nothing else.
"""

from difflib import get_close_matches

from sqlalchemy import Connection, RowMapping

from tasks.store import endpoints, notification_order
from tasks.store.actions import Change, Operator, record
from tasks.store.clock import clock
from tasks.store.states import ActionKind, EndpointState
from tasks.store.views.endpoints import endpoint_names


class UnknownEndpoint(Exception):
    """There is no endpoint of this name; the message names those that there are."""


def pause(connection: Connection, by: Operator, name: str) -> RowMapping:
    """Let an endpoint be told nothing until a person says otherwise; return how it was.

    What is being tried ends, and nothing new begins. One that a person has paused stays as it is. Raises
    UnknownEndpoint.
    """
    before = _held(connection, name)
    if before["state"] == EndpointState.PAUSED and before["paused_by"]:
        return before
    paused = {
        "state": EndpointState.PAUSED,
        "since": clock(connection),
        "reason": by.why,
        "paused_by": by.who,
        "allowance": None,
        "probe_at": None,
        "probe_wait": None,
    }
    endpoints.save(connection, name, paused)
    _record(connection, by, ActionKind.PAUSE, before, EndpointState.PAUSED)
    return before


def resume(connection: Connection, by: Operator, name: str) -> RowMapping:
    """Let an endpoint be told without restraint, whoever has paused it or holds it back; return how it was.

    What has failed for a passing reason is due at once. One that is open stays as it is. Raises
    UnknownEndpoint.
    """
    before = _held(connection, name)
    if before["state"] != EndpointState.OPEN:
        now = clock(connection)
        endpoints.reset(connection, name, now)
        if before["state"] == EndpointState.PAUSED:
            notification_order.begin_anew(connection, name, now)
        notification_order.hasten_all(connection, name, endpoints.PASSING, now)
        _record(connection, by, ActionKind.RESUME, before, EndpointState.OPEN)
    return before


def check_endpoint(connection: Connection, name: str) -> None:
    """Raise UnknownEndpoint unless there is, or was, an endpoint of this name."""
    known = endpoint_names(connection)
    if name in known:
        return
    if not known:
        raise UnknownEndpoint(
            f"There is no endpoint {name!r}, nor any other: a worker that starts with NOTIFY_URL, or with a "
            "function for @on_grant_change, makes one known."
        )
    near = get_close_matches(name.casefold(), known, n=1)
    meant = f" Did you mean {near[0]!r}?" if near else ""
    raise UnknownEndpoint(f"There is no endpoint {name!r}.{meant} Known: {', '.join(known)}.")


def _held(connection: Connection, name: str) -> RowMapping:
    held = endpoints.hold(connection, name)
    if held is None:
        check_endpoint(connection, name)
        raise UnknownEndpoint(f"There is no endpoint {name!r} any more.")
    return held


def _record(
    connection: Connection, by: Operator, what: ActionKind, before: RowMapping, after: EndpointState
) -> None:
    # Its reason may repeat what the merchant's server answered, and the row stays for good.
    change = Change(subject=before["name"], before={"state": before["state"]}, after={"state": after})
    record(connection, by, what, change)
