"""What `make test-servers` picks."""

from pathlib import Path

import pytest

from tests.services import rabbitmq


def test_a_test_that_runs_the_broker_must_name_it(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="in its name"), rabbitmq(tmp_path):
        pass
