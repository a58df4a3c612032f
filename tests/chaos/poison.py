"""Tasks that do to their worker what a bad handler would; `python -m tests.chaos.poison NAME` sends one."""

import os
import signal
import sys
import time

from celery.exceptions import SoftTimeLimitExceeded

from celeryconfig import CONFIRM_TIMEOUT
from tasks.celery import app


@app.task(name="tests.chaos.poison.kill_own_process")
def kill_own_process() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@app.task(name="tests.chaos.poison.ignore_time_limit", soft_time_limit=1, time_limit=2)
def ignore_time_limit() -> None:
    while True:
        try:
            time.sleep(1)
        except SoftTimeLimitExceeded:
            continue


# One that never returns and obeys its time limit is taken for one that waits for the database.
POISON = (kill_own_process.name, ignore_time_limit.name)

if __name__ == "__main__":
    app.send_task(sys.argv[1], queue="fulfilment", confirm_timeout=CONFIRM_TIMEOUT)
