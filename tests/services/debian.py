"""Debian trixie in a folder, by debootstrap: what this machine lacks, and machines of a test's own."""

import fcntl
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console

from tests.services.server import missing

#: Where what is built outlives clones and `make clean`. Delete it to build it anew.
CACHE = Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")).expanduser() / "coinflow-webhooks"


class Unavailable(Exception):
    """Says why this machine cannot have the folder, and what would help."""


@contextmanager
def trixie(*packages: str) -> Iterator[Path]:
    """Put Debian with packages into a folder, in a minute or two; what is not moved away, goes.

    Raises:
        Unavailable: This machine cannot.

    """
    if os.geteuid() != 0:
        raise Unavailable("only root can build and run it")
    if not (debootstrap := shutil.which("debootstrap")):
        raise Unavailable("debootstrap is not installed (apt-get install debootstrap)")
    Console(soft_wrap=True).print(
        f"Putting {', '.join(packages)} of Debian into {CACHE}; it takes a minute or two, once."
    )
    CACHE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=CACHE, prefix="building-") as name:
        # Its mounts end with its namespace, however it ends, and it keeps the packages from starting servers.
        done = subprocess.run(
            [
                *("unshare", "--mount", debootstrap, "--force-check-gpg", "--variant=minbase"),
                *(f"--include={','.join(packages)}", "trixie", name, *_mirror()),
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        if done.returncode:
            raise Unavailable(f"debootstrap failed: {'; '.join(done.stdout.splitlines()[-2:])}")
        yield Path(name)


def base_system() -> Path:
    """Return an archive of a Debian with systemd and Python, from which a test makes a machine or an image.

    Skips the test, or fails it, on a machine that cannot build it.
    """
    archive = CACHE / "trixie-base.tar"
    CACHE.mkdir(parents=True, exist_ok=True)
    with archive.with_suffix(".lock").open("w") as lock:
        # Another test may be building it.
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not archive.exists():
            try:
                _build(archive)
            except Unavailable as reason:
                missing(f"no machine or image can be made: {reason}")
    return archive


def _build(archive: Path) -> None:
    packages = ("curl", "dbus", "git", "make", "python3", "python3-venv", "systemd-sysv")
    with trixie(*packages) as folder:
        # It was for its maker alone.
        folder.chmod(0o755)
        # Packages are fetched as this machine fetches them, whoever vouches for that.
        shutil.copy("/etc/ssl/certs/ca-certificates.crt", folder / "etc/ssl/certs")
        whole = folder.with_suffix(".tar")
        subprocess.run(["tar", "--create", "--file", whole, "--directory", folder, "."], check=True)
    whole.rename(archive)


def _mirror() -> list[str]:
    """Return where this machine gets Debian's packages from; elsewhere debootstrap knows a place."""
    if not (apt := shutil.which("apt-get")):
        return []
    done = subprocess.run(
        [apt, "indextargets", "--format", "$(REPO_URI)", "Identifier: Packages", "Label: Debian"],
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    return [place for place in done.stdout.split() if place.startswith("http")][:1]
