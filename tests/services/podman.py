"""Podman with storage of a test's own, as root, on this machine's network."""

import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.services.debian import base_system
from tests.services.server import missing

#: The image from which others are built: Debian with Python, as `python:3.13-slim` is.
BASE = "localhost/base"
_AUTHORITIES = "/etc/ssl/certs/ca-certificates.crt"
#: What a script calls `podman`: it may run inside a container itself, where limits cannot be raised and there
#: are no control groups to manage, and packages are fetched as this machine fetches them.
_WRAPPER = """\
#!/bin/sh
verb=$1
shift
case $verb in
    build) set -- --isolation chroot --network host --volume {authorities}:{authorities}:ro \
        --build-arg BASE={base} "$@" ;;
    run) set -- --network host --cgroups disabled --log-driver k8s-file \
        --ulimit nofile=4096 --ulimit nproc=4096 "$@" ;;
esac
exec {podman} --root {folder}/storage --runroot {folder}/running --cgroup-manager cgroupfs "$verb" "$@"
"""


@dataclass
class Podman:
    """Runs scripts in which `podman` is the test's own."""

    folder: Path
    holder: subprocess.Popen[bytes]

    def run(self, script: str, folder: Path) -> subprocess.CompletedProcess[str]:
        """Run a script in a folder, until its first command that fails."""
        enter = f"cd {shlex.quote(str(folder))}; PATH={self.folder}/bin:$PATH\n"
        return subprocess.run(
            ["nsenter", f"--target={self.holder.pid}", "--mount", "sh", "-e", "-c", enter + script],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )


@contextmanager
def podman() -> Iterator[Podman]:
    """Yield a podman that has one image, `BASE`; what it has started ends with it."""
    command = shutil.which("podman") or missing("podman is not installed")
    archive = base_system()
    with tempfile.TemporaryDirectory(prefix="podman-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        (folder / "bin").mkdir()
        wrapper = folder / "bin" / "podman"
        wrapper.write_text(
            _WRAPPER.format(authorities=_AUTHORITIES, base=BASE, podman=command, folder=folder)
        )
        wrapper.chmod(0o755)
        # What is mounted there ends with this process's namespace, storage included: to delete it from a disk
        # would take half a minute. Control groups of both versions at once podman cannot read.
        prepared = (
            f"mkdir {folder}/storage; mount -t tmpfs storage {folder}/storage; "
            "umount --lazy /sys/fs/cgroup/unified 2>/dev/null; echo; exec sleep infinity"
        )
        with subprocess.Popen(["unshare", "--mount", "sh", "-c", prepared], stdout=subprocess.PIPE) as holder:
            assert holder.stdout
            holder.stdout.readline()
            podman = Podman(folder, holder)
            try:
                made = podman.run(f"podman import --quiet {archive} {BASE}", folder)
                if made.returncode:
                    missing(f"podman does not work here: {made.stdout}")
                yield podman
            finally:
                podman.run("podman rm --all --force --time 0", folder)
                holder.kill()
