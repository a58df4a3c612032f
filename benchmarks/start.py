"""How long the door takes until it is ready, and what memory it takes then and after some load."""

import time

from benchmarks.load import load
from benchmarks.measured import Measured
from benchmarks.processor import family
from benchmarks.servers import Servers
from benchmarks.subject import Extent, Subject
from tests.memory import MEGABYTE, total

#: Seconds in which the processes start that are not there yet when the first one answers.
_PAUSE = 1


def start(servers: Servers, subject: Subject) -> Measured:
    """Measure one start."""
    with subject.start(servers, Extent.DOOR) as running:
        time.sleep(_PAUSE)
        fresh = total(family(running.roles["door"]))
        load(running.url, 32, 2)
        loaded = total(family(running.roles["door"]))
    return Measured(
        {
            "ready after s": running.ready_after,
            "PSS MB": fresh.pss / MEGABYTE,
            "PSS under load MB": loaded.pss / MEGABYTE,
        }
    )
