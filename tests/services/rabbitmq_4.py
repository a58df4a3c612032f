"""RabbitMQ 4 for machines that have another one: Debian trixie's, in a folder, run without installing it.

`python -m tests.services` builds the folder in a minute or two, as root, by debootstrap.
"""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from rich.console import Console

from tests.services.server import missing

#: Outlives clones and `make clean`; some 230 MB. Delete it to build it anew.
USR = (
    Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")).expanduser()
    / "coinflow-webhooks"
    / "trixie-rabbitmq-server"
    / "usr"
)

#: What a later RabbitMQ may take away is refused today.
SETTINGS = tuple(
    f"deprecated_features.permit.{feature} = false"
    for feature in (
        "amqp_address_v1",
        "global_qos",
        "management_metrics_collection",
        "queue_master_locator",
        "ram_node_type",
    )
)

#: For a node's first start only: one of 4.0 that refuses transient queues and starts again may look for some
#: before it has loaded its table of queues, and ends. In a cluster it always does.
FIRST_SETTING = "deprecated_features.permit.transient_nonexcl_queues = false\n"


class Unavailable(Exception):
    """Says why this machine cannot have the folder, and what would help."""


def command() -> list[str]:
    """Return the command that starts a node.

    It sees the folder in place of `/usr`, in a mount namespace of its own that ends with it: other paths,
    processes and ports are the machine's.
    """
    if not USR.is_dir():
        missing(f"{USR} is not there; `make test-servers` builds it")
    swap = 'mount --bind "$0" /usr && exec "$@"'
    return ["unshare", "--mount", "sh", "-c", swap, str(USR), "/usr/lib/rabbitmq/bin/rabbitmq-server"]


def build() -> None:
    """Put Debian's packages into the folder, unless it is there.

    Raises:
        Unavailable: This machine cannot.

    """
    if os.geteuid() != 0:
        raise Unavailable("only root can build and run it")
    if USR.is_dir():
        return
    if not (debootstrap := shutil.which("debootstrap")):
        raise Unavailable("debootstrap is not installed (apt-get install debootstrap)")
    Console(soft_wrap=True).print(f"Putting RabbitMQ 4 into {USR.parent}; it takes a minute or two, once.")
    USR.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=USR.parent, prefix="building-") as name:
        # Its mounts end with its namespace, however it ends, and it keeps the packages from starting servers.
        done = subprocess.run(
            [
                *("unshare", "--mount", debootstrap, "--force-check-gpg"),
                *("--variant=minbase", "--include=rabbitmq-server", "trixie", name, *_mirror()),
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        if done.returncode:
            raise Unavailable(f"debootstrap failed: {'; '.join(done.stdout.splitlines()[-2:])}")
        # Whole or not at all; another build may have come first.
        if not USR.is_dir():
            (Path(name) / "usr").rename(USR)


def _mirror() -> list[str]:
    """Return where this machine gets Debian's packages from; elsewhere debootstrap knows a place."""
    if not (apt := shutil.which("apt-get")):
        return []
    done = subprocess.run(
        [apt, "indextargets", "--format", "$(REPO_URI)", "Identifier: Packages", "Label: Debian"],
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    return [place for place in done.stdout.split() if place.startswith("http")][:1]
