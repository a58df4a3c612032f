"""Former releases, checked out from the history."""

import subprocess
from pathlib import Path

import pytest

from tests.stack import ROOT

#: The release before tasks/ had rooms, and before the dead queue was `dead-letters`.
ONE_FLOOR = "f7a18a3e"
#: The first release with rooms; its tables are still those of ONE_FLOOR.
ROOMS = "8f6321bc"
#: The release before price lists were asked once and persons could resolve more than a missing item.
UNRESOLVED = "7af6fd34"


def check_out(commit: str, folder: Path) -> Path:
    """Put a release's files into a folder; skip the test where the history does not reach so far back."""
    try:
        archive = subprocess.run(
            ["git", "-C", ROOT, "archive", "--format=tar", commit], capture_output=True, check=True
        )
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"the history, as in a shallow clone, does not hold {commit} ({error})")
    folder.mkdir(exist_ok=True)
    # Python's own needs a filter, which not every version that is supported takes.
    subprocess.run(["tar", "-x", "-C", folder], input=archive.stdout, check=True)
    return folder
