"""What a sight means: plain functions of what was seen."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from tasks.doctor.finding import Finding, Level
from tasks.store.states import EndpointState
from tasks.store.views.endpoints import EndpointLine

#: Beat asks for a sweep every half minute; so many that were not handled are no accident.
SWEEPS_STALE = timedelta(minutes=3)
#: What is unfinished for longer is stuck.
STUCK = timedelta(minutes=5)
#: What is due is told from this machine's clock or the database's.
CLOCK_NOTICED, CLOCK_WRONG = timedelta(seconds=5), timedelta(minutes=1)
#: A certificate is renewed before that.
EXPIRES_SOON = timedelta(days=21)
#: Connections to the database that a release needs.
SPARE = 3


def span(time: timedelta) -> str:
    """Return a time in its largest unit that makes two of it, as in `3 min`; one below zero as none."""
    seconds = max(0, int(time.total_seconds()))
    for size, unit in ((86_400, "days"), (3_600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"


def plural(count: int, noun: str) -> str:
    """Return a count with its noun, as in `2 messages`."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


def on_queue(name: str, messages: int, consumers: int, *, is_read: bool) -> Finding:
    """Judge a queue of tasks; `is_read` where somebody must read it."""
    seen = f"{plural(messages, 'message')}, {plural(consumers, 'consumer')}"
    if is_read and not consumers:
        process = "notify" if name == "notifications" else "worker"
        return Finding(
            check="queue",
            subject=name,
            level=Level.FAULT,
            seen=f"{seen}; nobody reads it",
            next_step=f"Start the process {process}, which reads it.",
        )
    return Finding(check="queue", subject=name, seen=seen)


def on_dead_queue(name: str, messages: int) -> Finding:
    """Judge the broker's dead letters."""
    seen = plural(messages, "message")
    if not messages:
        return Finding(check="queue", subject=name, seen=seen)
    return Finding(
        check="queue",
        subject=name,
        level=Level.NOTICE,
        seen=f"{seen} that no task could take",
        next_step="`coinflowctl dead-letters list` says why; replay or discard them.",
    )


def on_workers(answered: Sequence[str]) -> Finding:
    """Judge which workers answer."""
    if answered:
        return Finding(check="workers", seen=f"{plural(len(answered), 'worker')}: {', '.join(answered)}")
    return Finding(
        check="workers",
        level=Level.FAULT,
        seen="no worker answers",
        next_step="Start the process worker, and read its log if it runs already.",
    )


def on_sweeps(age: timedelta | None, installed: timedelta | None) -> Finding:
    """Judge how long ago a sweep was handled, and the product installed; None is never."""
    if age is None and installed is not None and installed <= SWEEPS_STALE:
        return Finding(check="sweeps", seen=f"none yet; the product is {span(installed)} old")
    seen = "none was ever handled" if age is None else f"the last one was handled {span(age)} ago"
    if age is not None and age <= SWEEPS_STALE:
        return Finding(check="sweeps", seen=seen)
    return Finding(
        check="sweeps",
        level=Level.FAULT,
        seen=seen,
        next_step="Start the process beat, which asks for one each half minute, and a worker, which does it; "
        "if both have just started, ask again in a minute.",
    )


def on_clock(ahead: timedelta) -> Finding:
    """Judge by how much this machine's clock is ahead of the database's."""
    off = abs(ahead)
    if off < CLOCK_NOTICED:
        return Finding(check="clock", seen="as the database's, but for less than 5 s")
    return Finding(
        check="clock",
        level=Level.FAULT if off >= CLOCK_WRONG else Level.NOTICE,
        seen=f"{span(off)} {'ahead of' if ahead > timedelta(0) else 'behind'} the database's",
        next_step="Let a time service, such as chrony, set the clocks of this machine and the database's.",
    )


def on_unfinished(kind: str, count: int, age: timedelta) -> Finding:
    """Judge work of a kind that waits, the oldest for so long."""
    seen = f"{count} unfinished, the oldest for {span(age)}"
    if age <= STUCK:
        return Finding(check="unfinished", subject=kind, seen=seen)
    return Finding(
        check="unfinished",
        subject=kind,
        level=Level.FAULT,
        seen=seen,
        next_step="Mend the other faults; if there are none, the worker's log says what holds it up.",
    )


def on_connections(used: int, most: int, expected: int) -> Finding:
    """Judge the connections to the database; `expected` is what one process of each kind takes."""
    seen = f"{used} of {most} in use; one worker and one notify take up to {expected}"
    if most - used >= SPARE and most >= expected:
        return Finding(check="connections", seen=seen)
    return Finding(
        check="connections",
        level=Level.NOTICE,
        seen=seen,
        next_step="Raise the limit of the server, the role or the database, or run fewer processes.",
    )


def on_certificate(host: str, left: timedelta) -> Finding:
    """Judge how long a server's certificate is good."""
    if left > EXPIRES_SOON:
        return Finding(check="certificate", subject=host, seen=f"good for {span(left)}")
    is_over = left <= timedelta(0)
    return Finding(
        check="certificate",
        subject=host,
        level=Level.FAULT if is_over else Level.NOTICE,
        seen=f"expired {span(-left)} ago" if is_over else f"it expires in {span(left)}",
        next_step="Renew the certificate of that server.",
    )


def on_price_list(in_force: str | None, file: str | None) -> Finding:
    """Judge the list in force beside its file; each by its hash, None where there is none."""
    if in_force is None:
        return Finding(
            check="price list",
            level=Level.FAULT,
            seen="none was ever accepted",
            next_step="`coinflowctl catalog apply` puts the file in force.",
        )
    if file in {in_force, None}:
        return Finding(check="price list", seen=f"{in_force[:8]} is in force")
    return Finding(
        check="price list",
        level=Level.NOTICE,
        seen=f"{in_force[:8]} is in force, and the file is another one",
        next_step="`coinflowctl catalog show` compares them, `coinflowctl catalog apply` takes the file.",
    )


def on_endpoint(line: EndpointLine, now: datetime, silent_since: datetime | None) -> Finding:
    """Judge how an endpoint fares; `silent_since` where it has failed for days and had no success."""
    if not (ails := list(_ails(line, now, silent_since))):
        return Finding(check="endpoint", subject=line.name, seen=f"{line.state}, {line.pending} pending")
    return Finding(
        check="endpoint",
        subject=line.name,
        level=max((level for level, _, _ in ails), key=list(Level).index),
        seen="; ".join(seen for _, seen, _ in ails),
        # The first is what the others come from.
        next_step=ails[0][2],
    )


def _ails(
    line: EndpointLine, now: datetime, silent_since: datetime | None
) -> Iterator[tuple[Level, str, str]]:
    """Yield what is wrong with an endpoint: how much that is, what was seen, what to do."""
    name, pending = line.name, f"{line.pending} pending"
    if line.state == EndpointState.OPEN and line.due_at and now - line.due_at > STUCK:
        late = f"{pending}, due for {span(now - line.due_at)}"
        if line.in_flight:
            yield Level.NOTICE, late, "It takes more than it is given: see why its server is slow."
        else:
            yield Level.FAULT, f"{late}, and nobody tells it", "Start the process notify."
    if line.state == EndpointState.PAUSED:
        resume = f"`coinflowctl endpoints resume {name}` tells it again."
        yield Level.NOTICE, f"paused by {line.paused_by or 'its own answer'}, {pending}", resume
    if line.state == EndpointState.HELD:
        mend = "Mend its server; it is told again once that answers."
        yield Level.NOTICE, f"held back, {pending}: {line.reason}", mend
    if silent_since:
        mend = "Mend its server: what is not told within NOTIFY_GIVE_UP_DAYS becomes a dead letter."
        yield Level.NOTICE, f"no success for {span(now - silent_since)}: {line.last_error}", mend
    if line.dead:
        replay = "`coinflowctl dead-letters list` says why; replay or discard them."
        yield Level.NOTICE, f"{line.dead} given up", replay
