"""A function that is told of changes, notes them, and cannot do what one wallet asks for."""

import json

from tasks.merchant import GrantChange, on_grant_change
from tests.merchants import NOTED, UNKNOWN


@on_grant_change
def note(change: GrantChange) -> None:
    if any(line.wallet == UNKNOWN for line in change.items):
        raise LookupError(f"There is no player {UNKNOWN}.")
    NOTED.parent.mkdir(exist_ok=True)
    with NOTED.open("a") as file:
        file.write(json.dumps([change.payment_id, change.version]) + "\n")
