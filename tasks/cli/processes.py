"""Processes that share a terminal: started together, shown together, ended together.

Each has a session of its own, so Ctrl-C and a terminal that closes reach this process alone, which then ends
them in order.
"""

import errno
import os
import select
import signal
import subprocess
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from queue import SimpleQueue
from typing import IO, NamedTuple, cast

import click

#: Seconds between SIGTERM and SIGKILL.
GRACE = 5.0
_STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
_OUTPUT = 1
_COLOURS = ("cyan", "yellow", "green", "magenta", "red", "blue")


class _Ended(NamedTuple):
    name: str
    code: int


class Processes:
    """Runs commands until one ends, or a signal, Ctrl-C or a terminal that closes asks for the end.

    Signals are noted and obeyed between two steps, so none comes while a process is half started.
    """

    def __init__(self) -> None:
        self._events: SimpleQueue[_Ended | None] = SimpleQueue()
        self._writing = threading.Lock()
        #: Whether the end was asked for.
        self.stopped = False
        for number in _STOPS:
            # What is ignored, as `nohup` does, stays so.
            if signal.getsignal(number) != signal.SIG_IGN:
                signal.signal(number, lambda *_: self._events.put(None))
        terminal = next(filter(os.isatty, range(3)), None)
        if terminal is not None:
            threading.Thread(target=self._watch, args=[terminal], daemon=True).start()

    def run(self, commands: Mapping[str, str]) -> int:
        """Run shell commands, each by its name; return the exit code of the first that ended.

        It is 0 where the end was asked for. Nothing of theirs runs any more on return.
        """
        width = max(map(len, commands))
        prefixes = (
            click.style(f"{name:{width}} | ", fg=_COLOURS[number % len(_COLOURS)])
            for number, name in enumerate(commands)
        )
        running: dict[str, subprocess.Popen[bytes]] = {}
        try:
            for (name, command), prefix in zip(commands.items(), prefixes, strict=True):
                running[name] = self._start(name, command, prefix)
            event = self._events.get()
        finally:
            self._end(running)
        self.stopped = event is None
        return event.code if event else 0

    def say(self, text: str) -> None:
        """Show a text at once, so that no process's line comes between; where nobody sees it, end."""
        if not os.isatty(_OUTPUT):
            text = click.unstyle(text)
        rest = text.encode()
        with self._writing:
            try:
                while rest:
                    rest = rest[os.write(_OUTPUT, rest) :]
            except OSError as error:
                if error.errno in {errno.EIO, errno.EPIPE}:
                    self._hang_up()

    def _watch(self, terminal: int) -> None:
        # Of a terminal that closes only its session's first process hears. If that is make, it waits.
        closed = select.poll()
        closed.register(terminal, 0)
        if any(event & select.POLLHUP for _, event in closed.poll()):
            self._hang_up()

    def _hang_up(self) -> None:
        if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
            self._events.put(None)

    def _start(self, name: str, command: str, prefix: str) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(  # noqa: S602  # a Procfile's line is a shell's
            command,
            shell=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        output = cast("IO[bytes]", process.stdout)
        shown = threading.Thread(target=self._show, args=[output, prefix], daemon=True)
        shown.start()

        def wait() -> None:
            code = process.wait()
            # As a shell would say it.
            code = 128 - code if code < 0 else code
            # Something that it has left behind may hold the other end.
            shown.join(timeout=1)
            self._events.put(_Ended(name, code))

        threading.Thread(target=wait, daemon=True).start()
        return process

    def _show(self, output: IO[bytes], prefix: str) -> None:
        for line in output:
            now = datetime.now().astimezone()
            self.say(f"{now:%H:%M:%S} {prefix}{line.decode(errors='replace').rstrip()}\n")

    def _end(self, running: Mapping[str, subprocess.Popen[bytes]]) -> None:
        for process in running.values():
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
        deadline, late = time.monotonic() + GRACE, list[str]()
        for name, process in running.items():
            try:
                process.wait(max(0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                late.append(name)
            # What it has started may have outlived it.
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        for name in late:
            self.say(f"{name} has not ended within {GRACE:.0f} seconds: SIGKILL\n")
