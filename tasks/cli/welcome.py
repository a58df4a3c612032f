"""What `make run` says once receiver and Flower answer: that they do, and what to try."""

import time
from collections.abc import Callable
from http.client import HTTPConnection, HTTPException

_PATIENCE = 60.0
_SILENT = "no answer"

_WELCOME = """
  Ready. Coinflow's webhook URL is  http://localhost:{port}{path}
  The tasks are shown by Flower at  http://localhost:{flower_port}

  Next, in another terminal:

    .venv/bin/coinflowctl trigger Settled --item sword --wallet alice
    .venv/bin/coinflowctl wallets show alice

  Ctrl-C stops everything.

"""

_NOT_READY = """
  Not ready after {patience:.0f} seconds. http://localhost:{port}/readyz: {receiver}; Flower: {flower}.
  Look at what web, worker and flower say above.

"""


def greet(port: int, path: str, flower_port: int, say: Callable[[str], None]) -> None:
    """Wait until receiver and Flower answer, and say so; or say, after a minute, which of them does not."""
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline:
        receiver, flower = _status(port, "/readyz"), _status(flower_port, "/")
        if receiver == "200 OK" and flower != _SILENT:
            say(_WELCOME.format(port=port, path=path, flower_port=flower_port))
            return
        time.sleep(0.2)
    say(_NOT_READY.format(patience=_PATIENCE, port=port, receiver=receiver, flower=flower))


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
