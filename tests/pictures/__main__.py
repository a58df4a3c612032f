"""Draws every picture of the docs."""

import shutil
import tempfile
from pathlib import Path

from tests.pictures import dashboard, flower
from tests.pictures.camera import FOLDER, Camera

#: What Debian and others call Chromium.
_NAMES = ("chromium", "chromium-browser", "google-chrome")


def main() -> None:
    """Draw Flower, then the dashboard, which takes six minutes."""
    browser = next(filter(None, map(shutil.which, _NAMES)), None)
    if browser is None or shutil.which("prometheus") is None:
        raise SystemExit("The pictures take Chromium and Prometheus: apt-get install chromium prometheus")
    FOLDER.mkdir(exist_ok=True)
    for subject in (flower, dashboard):
        with tempfile.TemporaryDirectory(prefix="pictures-") as folder:
            subject.draw(Path(folder), Camera(browser, Path(folder) / "browser"))


if __name__ == "__main__":
    main()
