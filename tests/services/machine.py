"""A machine of a test's own: Debian with systemd, booted by systemd-nspawn, on this machine's network."""

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.services.debian import base_system
from tests.services.server import missing
from tests.waiting import PATIENCE, wait_until

#: Debian's systemd refuses the first version of control groups, which some machines still have, unless asked.
_ARGUMENTS = ("SYSTEMD_CGROUP_ENABLE_LEGACY_FORCE=1", "systemd.unified_cgroup_hierarchy=0")


@dataclass
class Machine:
    """A booted machine, whose files are those of a folder."""

    folder: Path
    process: subprocess.Popen[bytes]

    def run(self, script: str) -> subprocess.CompletedProcess[str]:
        """Run a script as its root would, until its first command that fails."""
        return subprocess.run(
            [
                *("nsenter", f"--target={self._init}", "--mount", "--uts", "--ipc", "--pid", "--cgroup"),
                *("env", "-i", "HOME=/root", "PATH=/usr/sbin:/usr/bin:/sbin:/bin"),
                *("sh", "-e", "-c", script),
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )

    def is_up(self) -> bool:
        """Tell whether it has booted."""
        assert self.process.poll() is None, "systemd-nspawn ended"
        return bool(self._init) and self.run("systemctl is-system-running").stdout.strip() == "running"

    @property
    def _init(self) -> str:
        process = self.process.pid
        return Path(f"/proc/{process}/task/{process}/children").read_text().strip()


@contextmanager
def machine() -> Iterator[Machine]:
    """Boot a machine, which is gone afterwards."""
    nspawn = shutil.which("systemd-nspawn") or missing("systemd-nspawn is not installed (systemd-container)")
    archive = base_system()
    with tempfile.TemporaryDirectory(prefix="machine-", ignore_cleanup_errors=True) as name:
        folder, log = Path(name) / "root", Path(name) / "log"
        folder.mkdir()
        subprocess.run(["tar", "--extract", "--file", archive, "--directory", folder], check=True)
        with log.open("wb") as opened:
            process = subprocess.Popen(
                [
                    *(nspawn, "--quiet", "--register=no", "--keep-unit", "--console=pipe"),
                    *("--resolv-conf=copy-host", f"--directory={folder}", "--boot", *_ARGUMENTS),
                ],
                stdin=subprocess.DEVNULL,
                stdout=opened,
                stderr=opened,
            )
        try:
            machine = Machine(folder, process)
            wait_until(machine.is_up, what="the machine is up", log=log.read_text)
            yield machine
        finally:
            # It shuts the machine down in order.
            process.terminate()
            process.wait(timeout=PATIENCE)
