"""A copy of the repository as somebody would clone it, with what is not committed yet."""

import shutil
import subprocess
from pathlib import Path

from tests.stack import ROOT


def copy_checkout(folder: Path) -> None:
    """Copy every file that git knows, or would know, into a folder."""
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listed, cwd=ROOT, check=True, capture_output=True, text=True).stdout.splitlines()
    for name in names:
        if (ROOT / name).exists():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
