"""The schedule: how long after a try that failed the next one comes, and when there is none."""

from datetime import datetime, timedelta

from tasks.notifications.answer import LONGEST_WAIT

#: Seconds after the first failure, the second and so on; the last one goes on.
_WAITS = (5, 30, 2 * 60, 10 * 60, 30 * 60, 60 * 60, 2 * 60 * 60, 4 * 60 * 60)
#: Seconds that an answer which asks for less gets after many tries.
_SHORTEST_LATER = 60.0
#: How much longer a wait may be by chance, so that what failed together does not come back together.
JITTER = 0.1


def next_try(attempt: int, chance: float, *, asked: float | None = None) -> timedelta:
    """Return the wait after the try of this number, from 1; `chance` is from 0 to 1.

    `asked` is what the answer asked for, in seconds up to `LONGEST_WAIT`, and goes before the schedule.
    """
    longer = 1 + JITTER * chance
    if asked is not None:
        if attempt > len(_WAITS):
            asked = max(asked, _SHORTEST_LATER)
        return timedelta(seconds=min(asked * longer, LONGEST_WAIT))
    return timedelta(seconds=_WAITS[min(attempt, len(_WAITS)) - 1] * longer)


def is_over(first_tried_at: datetime, now: datetime, give_up_days: float) -> bool:
    """Tell whether a change has been tried for so long that it is given up."""
    return now - first_tried_at >= timedelta(days=give_up_days)
