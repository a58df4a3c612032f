"""Whom the product trusts to be its broker."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.services import Certificates, certificates, free_port, rabbitmq, redis, tls
from tests.services.certificates import OTHER_ADDRESS
from tests.stack import KEY, ROOT

pytestmark = pytest.mark.long

_ADDRESS = "127.0.0.1"


@pytest.fixture(scope="module", params=["rabbitmq", "redis"])
def broker(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, Certificates]]:
    """Run a broker that speaks TLS; return its address, but for the host, and its certificates."""
    folder = tmp_path_factory.mktemp("tls")
    identity = certificates(folder / "certificates")
    if request.param == "redis":
        with redis(folder, identity) as server:
            yield f"rediss://{{host}}:{server.port}/0", identity
    else:
        port = free_port()
        with rabbitmq(folder, *tls(port, identity)):
            yield f"amqps://guest:guest@{{host}}:{port}//", identity


def _reach(url: str) -> str:
    """Return what keeps the receiver from its broker, or nothing."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.programs.reach"],
        cwd=ROOT,
        env=os.environ | {"BROKER_URL": url, "COINFLOW_VALIDATION_KEY": KEY},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Traceback" not in done.stderr
    return done.stdout + done.stderr


def test_a_broker_that_an_authority_vouches_for_is_reached(broker: tuple[str, Certificates]) -> None:
    url, identity = broker
    assert _reach(f"{url.format(host=_ADDRESS)}?ssl_ca_certs={identity.authority}") == ""


def test_a_broker_that_nobody_vouches_for_is_refused(
    broker: tuple[str, Certificates], tmp_path: Path
) -> None:
    url = broker[0].format(host=_ADDRESS)
    another = certificates(tmp_path)
    for suspicious in (url, f"{url}?ssl_ca_certs={another.authority}"):
        assert "certificate verify failed" in _reach(suspicious)


def test_a_broker_that_was_vouched_for_at_another_address_is_refused(
    broker: tuple[str, Certificates],
) -> None:
    url, identity = broker
    assert "IP address mismatch" in _reach(
        f"{url.format(host=OTHER_ADDRESS)}?ssl_ca_certs={identity.authority}"
    )


def test_who_asks_for_it_trusts_everybody(broker: tuple[str, Certificates]) -> None:
    url, _ = broker
    for host in (_ADDRESS, OTHER_ADDRESS):
        assert _reach(f"{url.format(host=host)}?ssl_cert_reqs=none") == ""


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("ssl_cert_reqs=perhaps", "ssl_cert_reqs: expected required or none"),
        ("ssl_ca_certs=/nowhere.pem", "ssl_ca_certs: there is no file /nowhere.pem"),
        ("ssl_authority=/nowhere.pem", "ssl_authority: expected ssl_cert_reqs, ssl_ca_certs, "),
    ],
)
@pytest.mark.parametrize("scheme", ["amqps", "rediss"])
def test_what_the_address_says_of_tls_is_checked(scheme: str, query: str, message: str) -> None:
    said = _reach(f"{scheme}://localhost/0?{query}")
    assert "BROKER_URL: " in said
    assert message in said
