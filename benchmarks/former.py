"""The release that today's is held against, built from the history."""

import subprocess
import sys

from benchmarks.ours import ours
from benchmarks.subject import Subject
from tests.releases import ONE_FLOOR, check_out
from tests.stack import ROOT


def former() -> Subject:
    """Return it, embedded; the first run builds it, with what it has locked."""
    folder = ROOT / "build" / "former" / ONE_FLOOR
    return ours(f"ours at {ONE_FLOOR}, embedded + SQLite", embedded=True, source=folder)


def build_former() -> None:
    """Put the release's files and its `.venv` under build/, unless they are there."""
    folder = ROOT / "build" / "former" / ONE_FLOOR
    stamp = folder / ".venv" / "installed"
    if stamp.exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    check_out(ONE_FLOOR, folder)
    subprocess.run([sys.executable, "-m", "venv", "--clear", ".venv"], cwd=folder, check=True)
    # Its requirements.txt lacks what a transport of Celery's imports.
    command = [".venv/bin/pip", "install", "--quiet", "--require-hashes", "-r", "requirements-dev.txt"]
    subprocess.run(command, cwd=folder, check=True)
    (folder / ".venv" / "bin" / "coinflowctl").symlink_to("../../bin/coinflowctl")
    stamp.touch()
