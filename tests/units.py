"""What the unit files in `ops/systemd/` say."""

from pathlib import Path

from tests.stack import ROOT

FOLDER = ROOT / "ops" / "systemd"
#: The services' names, each after a process of the Procfile.
SERVICES = {path.stem.removeprefix("coinflow-"): path for path in sorted(FOLDER.glob("coinflow-*.service"))}
_COMMON = FOLDER / "coinflow-.service.d" / "common.conf"


def settings(name: str) -> dict[str, str]:
    """Return the settings of a service, those that it shares with the others included."""
    said = _settings(_COMMON) | _settings(SERVICES[name])
    # As systemd reads them, for which a single one begins a word of its own.
    return {key: value.replace("%%", "%") for key, value in said.items()}


def _settings(path: Path) -> dict[str, str]:
    lines = (line for line in path.read_text().splitlines() if line and line[0] not in "#[")
    return {key: value for key, _, value in (line.partition("=") for line in lines)}
