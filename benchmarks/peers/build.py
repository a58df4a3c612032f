"""Builds a peer: its files with the dependencies that its lock file names, in a folder that git ignores."""

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

from tests.stack import ROOT

_SOURCES = Path(__file__).parent
_BUILT = ROOT / "build" / "peers"
#: What several peers share.
_SHARED = {".mjs": _SOURCES / "receiving.mjs", ".py": _SOURCES / "celery_settings.py"}


def build(name: str) -> Path:
    """Return the folder of the built peer; what is installed already stays."""
    source, folder = _SOURCES / name, _BUILT / name
    folder.mkdir(parents=True, exist_ok=True)
    is_node = (source / "package.json").exists()
    for file in [*source.iterdir(), _SHARED[".mjs" if is_node else ".py"]]:
        if file.is_file():
            shutil.copy2(file, folder)
    lock = folder / ("package-lock.json" if is_node else "requirements.txt")
    stamp, wanted = folder / "installed", hashlib.sha256(lock.read_bytes()).hexdigest()
    if not stamp.exists() or stamp.read_text() != wanted:
        for command in _NODE if is_node else _PYTHON:
            subprocess.run(command, cwd=folder, check=True)
        stamp.write_text(wanted)
    return folder


_NODE = [["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error"]]
_PYTHON = [
    [sys.executable, "-m", "venv", "--clear", "venv"],
    ["venv/bin/pip", "install", "--quiet", "--require-hashes", "-r", "requirements.txt"],
]
