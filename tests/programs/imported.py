"""Type commands one after the other; print at last, for each, which of some modules it has imported."""

import json
import sys
from contextlib import suppress

from tasks.cli import main

if __name__ == "__main__":
    lines, modules = map(json.loads, sys.argv[1:])
    imported: dict[str, list[str]] = {}
    for line in lines:
        before = set(sys.modules)
        with suppress(SystemExit):
            main(line.split(), prog_name="coinflowctl")
        imported[line] = sorted(set(modules) & (sys.modules.keys() - before))
    sys.stdout.write(f"\n{json.dumps(imported)}\n")
