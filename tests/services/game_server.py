"""The example's game server, in each of its languages, started as its page says."""

import fcntl
import hashlib
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.documents import commands
from tests.services.debian import CACHE
from tests.services.server import Server, free_port, missing
from tests.stack import ROOT

LANGUAGES = ("Python", "JavaScript")
_SOURCE = ROOT / "examples" / "game_server"
#: What the server listens on unless told otherwise.
_PORT = "8090"


def game_server(language: str, folder: Path, secret: str) -> Server:
    """Return the server, which is not started yet, with its inventory in the folder."""
    port = free_port()
    program = {"Python": ".venv/bin/gunicorn ", "JavaScript": "node "}[language]
    (line,) = (each.line for each in commands(_SOURCE / "README.md") if each.line.startswith(program))
    place = _checkout(folder) if language == "JavaScript" else ROOT
    line = line.replace(".venv/bin", str(Path(sys.executable).parent)).replace(_PORT, str(port))
    environment = {"NOTIFY_SECRET": secret, "INVENTORY": f"{folder}/inventory.sqlite3", "PORT": str(port)}
    return Server(["/bin/sh", "-c", f"cd {place} && exec {line}"], port, folder / "server.log", environment)


def _checkout(folder: Path) -> Path:
    """Return a folder with the JavaScript at its path, and beside it the packages, which are no source."""
    checkout = folder / "checkout"
    copy = checkout / _SOURCE.relative_to(ROOT)
    copy.mkdir(parents=True)
    shutil.copy2(_SOURCE / "server.mjs", copy)
    (copy / "node_modules").symlink_to(_packages())
    return checkout


def _packages() -> Path:
    """Return the packages that the lock names, as `npm ci` installs them.

    One is compiled, which takes a minute, so they outlive the tests. Skips the test, or fails it, on a
    machine without Node.js.
    """
    for program, package in {"node": "nodejs", "npm": "npm"}.items():
        if not shutil.which(program):
            missing(f"{program} is not installed (apt-get install {package})")
    files = [_SOURCE / name for name in ("package.json", "package-lock.json")]
    version = subprocess.run(["node", "--version"], capture_output=True, check=True).stdout
    named = hashlib.sha256(b"".join([version, *(file.read_bytes() for file in files)])).hexdigest()[:16]
    installed = CACHE / f"game-server-{named}"
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "game-server.lock").open("w") as lock:
        # Another test may be installing them.
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not installed.exists():
            with tempfile.TemporaryDirectory(dir=CACHE, prefix="building-") as name:
                made = Path(name) / "made"
                _install(files, made)
                made.rename(installed)
    return installed / "node_modules"


def _install(files: list[Path], folder: Path) -> None:
    folder.mkdir()
    for file in files:
        shutil.copy2(file, folder)
    done = subprocess.run(
        ["npm", "ci", "--no-audit", "--no-fund"], cwd=folder, capture_output=True, text=True, check=False
    )
    if done.returncode:
        missing(f"npm ci failed: {done.stderr[-2000:]}")
