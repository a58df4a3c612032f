"""The product on a cluster of three RabbitMQ nodes."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.services import RabbitMQCluster, postgres_database, rabbitmq_cluster
from tests.stack import Stack
from tests.waiting import wait_until

pytestmark = pytest.mark.cluster


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[RabbitMQCluster]:
    with rabbitmq_cluster(tmp_path) as cluster:
        yield cluster


@pytest.fixture
def clustered(cluster: RabbitMQCluster, tmp_path: Path) -> Iterator[Stack]:
    with (
        postgres_database() as database,
        Stack(tmp_path, {"BROKER_URL": cluster.url, "DATABASE_URL": database}) as stack,
    ):
        stack.release()
        stack.start("web", "worker")
        yield stack


def test_a_purchase_is_granted_on_a_cluster(clustered: Stack, cluster: RabbitMQCluster) -> None:
    clustered.trigger("Settled", "--item", "sword", "--wallet", "clara")
    wait_until(lambda: clustered.wallet("clara"), seconds=30, what="the sword is granted")
    cluster.wait_in_sync()
    assert cluster.leader("events") in cluster.nodes.values()
    assert len(cluster.consuming("events")) == 1
