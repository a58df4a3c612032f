"""What `make run` says once receiver, worker and Flower answer: that they do, and what to try."""

import time
from collections.abc import Callable, Sequence
from http.client import HTTPConnection, HTTPException

_PATIENCE = 60.0
_SILENT = "no answer"

_WELCOME = """
  Ready. Coinflow's webhook URL is  http://localhost:{port}{path}
  The tasks are shown by Flower at  http://localhost:{flower_port}
  Prometheus is told of it all at   http://localhost:{metrics_port}/metrics
{told}
  Next, in another terminal:

    .venv/bin/coinflowctl trigger Settled --item sword --wallet alice
    .venv/bin/coinflowctl wallets show alice

  Ctrl-C stops everything.

"""

_TOLD = """  A wallet's changes are told to    {audience}
"""

_NOT_READY = """
  Not ready after {patience:.0f} seconds. http://localhost:{port}/readyz: {receiver};
  Flower: {flower}; worker: {worker}.
  Look at what web, worker and flower say above.

"""


def greet(
    port: int,
    path: str,
    watching: tuple[int, int],
    audience: Sequence[str],
    say: Callable[[str], None],
) -> None:
    """Wait until all of them answer, and say so; or say, after a minute, which of them does not.

    `watching` are the ports of Flower and of `metrics`; `audience` are those who are told of changes.
    """
    flower_port, metrics_port = watching
    told = _TOLD.format(audience=", ".join(audience)) if audience else ""
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline:
        receiver, flower, worker = _status(port, "/readyz"), _status(flower_port, "/"), _SILENT
        if receiver == "200 OK" and flower != _SILENT and (worker := _worker()) != _SILENT:
            ports = {"port": port, "flower_port": flower_port, "metrics_port": metrics_port}
            say(_WELCOME.format(**ports, path=path, told=told))
            return
        time.sleep(0.2)
    say(_NOT_READY.format(patience=_PATIENCE, port=port, receiver=receiver, flower=flower, worker=worker))


def _status(port: int, path: str) -> str:
    connection = HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
    except (OSError, HTTPException):
        return _SILENT
    finally:
        connection.close()
    return f"{answer.status} {answer.reason}"


def _worker() -> str:
    # Not before it is needed: it takes a second, in which the others start.
    from tasks.celery import app  # noqa: PLC0415  # as said above

    # `notify` takes no events.
    names = [name for reply in app.control.ping(timeout=1) or () for name in reply]
    return next((name for name in names if not name.startswith("notify@")), _SILENT)
