"""RabbitMQ 4 for machines that have another one: Debian trixie's, in a folder, run without installing it.

`python -m tests.services` builds the folder in a minute or two, as root, by debootstrap.
"""

import os

from tests.services.debian import CACHE, Unavailable, trixie
from tests.services.server import missing

#: Outlives clones and `make clean`; some 230 MB. Delete it to build it anew.
USR = CACHE / "trixie-rabbitmq-server" / "usr"

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
        raise Unavailable("only root can run it")
    if USR.is_dir():
        return
    with trixie("rabbitmq-server") as folder:
        USR.parent.mkdir(parents=True, exist_ok=True)
        # Whole or not at all; another build may have come first.
        if not USR.is_dir():
            (folder / "usr").rename(USR)
