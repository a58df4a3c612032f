"""What `make run` says: first whether the stack can start, later that it has and what to try.

`python -m tasks.cli.welcome` checks settings and ports. With honcho's process id as its argument it
waits until receiver and Flower answer, greets, and ends; it ends silently when honcho does.
"""

import errno
import os
import socket
import sys
import time
from http.client import HTTPConnection, HTTPException

from receiver.settings import Settings as ReceiverSettings
from tasks.settings import FlowerSettings

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
  Look at what web.1, worker.1 and flower.1 say above.
"""


class _Stack(ReceiverSettings, FlowerSettings):
    """What all processes read, so that one message names every fault."""


def main(arguments: list[str]) -> int:
    """Check before the start, or greet after it; return the exit code."""
    stack = _Stack.load()
    if arguments:
        return _greet(int(arguments[0]), stack)
    taken = [
        f"Port {port} is taken. End what listens there, or choose another port: {name}={port + 1} make run"
        for name, port in (("PORT", stack.port), ("FLOWER_PORT", stack.flower_port))
        if _is_taken(port)
    ]
    if taken:
        sys.stderr.write("\n".join(taken) + "\n")
    return 1 if taken else 0


def _is_taken(port: int) -> bool:
    with socket.socket() as probe:
        # As the servers do: connections that merely linger from an earlier run are no obstacle.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("", port))
        except OSError as error:
            return error.errno == errno.EADDRINUSE
    return False


def _greet(honcho: int, stack: _Stack) -> int:
    deadline = time.monotonic() + _PATIENCE
    while _is_alive(honcho):
        receiver, flower = _status(stack.port, "/readyz"), _status(stack.flower_port, "/")
        if receiver == "200 OK" and flower != _SILENT:
            _say(_WELCOME.format(port=stack.port, path=stack.webhook_path, flower_port=stack.flower_port))
            return 0
        if time.monotonic() > deadline:
            _say(_NOT_READY.format(patience=_PATIENCE, port=stack.port, receiver=receiver, flower=flower))
            return 1
        time.sleep(0.2)
    return 0


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


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


def _say(text: str) -> None:
    # One write, so that the servers' lines, which share this terminal, do not come between.
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
