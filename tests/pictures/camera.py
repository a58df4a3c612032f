"""Chromium, which draws pages without a window."""

import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from tests.stack import ROOT

FOLDER = ROOT / "docs" / "pictures"
#: Milliseconds of a page's own time in which it asks for what it shows.
_SETTLES = 3_000


class Camera(NamedTuple):
    """Draws pages; what the browser keeps goes into a folder."""

    browser: str
    folder: Path

    def draw(self, address: str, name: str, width: int, height: int) -> None:
        """Write a picture of a page."""
        picture = FOLDER / f"{name}.png"
        options = [
            "--headless",
            # root has no sandbox, and the page is our own.
            "--no-sandbox",
            "--hide-scrollbars",
            f"--user-data-dir={self.folder}",
            f"--window-size={width},{height}",
            f"--virtual-time-budget={_SETTLES}",
            f"--screenshot={picture}",
        ]
        subprocess.run([self.browser, *options, address], check=True, capture_output=True, timeout=120)
        sys.stdout.write(f"{picture.relative_to(ROOT)}: {picture.stat().st_size // 1000} kB\n")
