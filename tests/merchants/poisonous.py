"""Handlers in which everything is wrong."""

import os
import signal
import time
from typing import Any

from celery import current_app
from celery.exceptions import SoftTimeLimitExceeded

from tasks.merchant import Event, on

# Seconds: shorter than the product's own, so that five runs do not take five minutes.
current_app.conf.update(task_soft_time_limit=2, task_time_limit=4)


@on("KYC Failure")
def kills_its_process(event: Event[Any]) -> None:  # noqa: ARG001  # a handler's signature
    os.kill(os.getpid(), signal.SIGKILL)


@on("KYC Created")
def never_returns(event: Event[Any]) -> None:  # noqa: ARG001  # a handler's signature
    while True:
        time.sleep(1)


@on("KYC Success")
def eats_its_time_limit(event: Event[Any]) -> None:  # noqa: ARG001  # a handler's signature
    while True:
        try:
            time.sleep(1)
        except SoftTimeLimitExceeded:
            continue
