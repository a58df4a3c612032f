"""The product on a cluster of three RabbitMQ nodes, two of which die in turn."""

import pytest

from tests.chaos import connection_faults
from tests.chaos.rows import Row, run
from tests.chaos.scene import Servers

pytestmark = pytest.mark.cluster


def test_a_cluster_that_loses_a_node_loses_nothing() -> None:
    result = run(
        Row("nodes killed", Servers.CLUSTER, connection_faults.kill_nodes, seconds=60), payments=600, seed=1
    )
    assert result.injected == 2
    assert result.granted == 600
    assert result.holds, result.summary
