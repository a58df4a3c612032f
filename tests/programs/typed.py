"""Type commands one after the other, each as `coinflowctl` would run it."""

import json
import sys
from contextlib import suppress

from tasks.cli import main

if __name__ == "__main__":
    for arguments in json.loads(sys.argv[1]):
        with suppress(SystemExit):
            main(arguments, prog_name="coinflowctl")
