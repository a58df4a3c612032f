"""The worker side: stores Coinflow's events and moves the wallets' ledger to what they decide."""

import sys
from pathlib import Path

# A merchant's modules may lie beside this package, in a folder that the command `celery` takes off the path
# again once it has found the package.
sys.path.append(str(Path(__file__).parent.parent))
