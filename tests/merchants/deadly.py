"""A handler that kills its process."""

import os
import signal
from typing import Any

from tasks.merchant import Event, on


@on("KYC Failure")
def kills_its_process(event: Event[Any]) -> None:  # noqa: ARG001  # a handler's signature
    os.kill(os.getpid(), signal.SIGKILL)
