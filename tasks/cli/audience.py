"""Whom `make run` has told of changes: the servers that are set, and functions of the merchant's."""

import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from importlib import import_module

from tasks.pipeline.routing import ROUTES
from tasks.settings import Settings

#: Seconds that the import of the merchant's modules may take.
_PATIENCE = 30.0


def audience(settings: Settings) -> Sequence[str]:
    """Return all that are told of changes: servers by their address, functions by their name."""
    servers = [endpoint.address for endpoint in settings.endpoints.values()]
    return [*servers, *_functions(settings.handlers)]


def _functions(modules: Sequence[str]) -> Sequence[str]:
    # In a program of its own: what a merchant's module does when it is imported shall not be done here. Where
    # that fails the worker says why.
    with suppress(subprocess.TimeoutExpired):
        done = subprocess.run(  # noqa: S603  # its name and arguments are our own
            [sys.executable, "-m", __name__, *modules],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            check=False,
            timeout=_PATIENCE,
        )
        return done.stdout.split()
    return ()


if __name__ == "__main__":
    answer, sys.stdout = sys.stdout, sys.stderr
    for module in sys.argv[1:]:
        import_module(module)
    print(*sorted(ROUTES.told), file=answer)
