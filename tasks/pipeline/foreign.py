"""Foreign events, told of in the log: a misspelt COINFLOW_MERCHANT_IDS must swallow nothing in silence."""

import time
from collections.abc import Callable, Collection, Iterable

import structlog

from tasks.store.events import Arrival
from tasks.store.states import SetAside

_log = structlog.get_logger(__name__)

#: Seconds for which a process says nothing more of an id.
_INTERVAL = 60.0
#: Ids that a process tells of in that time, at most.
_MOST = 100
#: Characters of an id that are told.
_LONGEST = 100


class Reminders:
    """Which ids were told of lately."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._told: dict[str, float] = {}

    def is_due(self, name: str) -> bool:
        """Tell whether to speak of it now; from then on it was told."""
        now = self._clock()
        self._told = {each: at for each, at in self._told.items() if now - at < _INTERVAL}
        if name in self._told or len(self._told) >= _MOST:
            return False
        self._told[name] = now
        return True


#: Of this process.
_REMINDERS = Reminders()


def warn_of_foreign(
    arrivals: Iterable[Arrival], merchant_ids: Collection[str], reminders: Reminders = _REMINDERS
) -> None:
    """Say which other merchants these events name, and who is accepted; of each once in a while."""
    foreign = (each.event for each in arrivals if each.set_aside is SetAside.FOREIGN and not each.fault)
    for named in dict.fromkeys(str(event.payload.merchant_id)[:_LONGEST] for event in foreign if event):
        if reminders.is_due(named):
            _log.warning(
                "event.foreign",
                merchant_id=named,
                merchant_ids=sorted(merchant_ids),
                next_step="If it is yours, add it to COINFLOW_MERCHANT_IDS, restart, and run "
                "`coinflowctl events reread`; `coinflowctl events list --state foreign` names them.",
            )
