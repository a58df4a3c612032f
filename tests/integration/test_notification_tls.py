"""TLS of a notification: whom the client trusts, and what it says of those it does not."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tasks.notifications.outcome import OutcomeKind
from tests.integration.notifying import DONE, client, leading_to, post, post_once, reason
from tests.services import certificates
from tests.shop import Shop, Visit, always, answer


def test_a_server_of_an_authority_that_is_named_is_trusted(tmp_path: Path) -> None:
    made = certificates(tmp_path)
    with Shop(always(answer()), tls=made) as shop:
        assert post(shop.url, times=2, ca_file=made.authority) == [DONE, DONE]
    assert shop.connections == 1


def test_a_named_authority_is_trusted_besides_the_system_s(tmp_path: Path) -> None:
    """What the system trusts comes from a file that OpenSSL's variable names, as an administrator may."""
    system, named = certificates(tmp_path / "system"), certificates(tmp_path / "named")
    with pytest.MonkeyPatch.context() as patch, Shop(always(answer()), tls=system) as shop:
        patch.setenv("SSL_CERT_FILE", str(system.authority))
        assert post_once(shop.url, ca_file=named.authority) == DONE


def test_an_unknown_authority_is_refused_and_the_setting_named(tmp_path: Path) -> None:
    made, other = certificates(tmp_path / "made"), certificates(tmp_path / "other")
    with Shop(always(answer()), tls=made) as shop:
        outcome = post_once(shop.url, ca_file=other.authority)
    assert (outcome.kind, outcome.status) == (OutcomeKind.REFUSED, None)
    assert "unable to get local issuer certificate" in reason(outcome)
    assert "NOTIFY_CA_FILE" in reason(outcome)
    assert shop.asked == []


def test_an_expired_certificate_is_refused(tmp_path: Path) -> None:
    made = certificates(tmp_path, until=datetime.now(UTC) - timedelta(days=1))
    with Shop(always(answer()), tls=made) as shop:
        outcome = post_once(shop.url, ca_file=made.authority)
    assert outcome.kind is OutcomeKind.REFUSED
    assert "certificate has expired; renew it" in reason(outcome)
    assert shop.asked == []


@pytest.mark.parametrize("name", ["127.0.0.2", "shop.example"])
def test_a_certificate_for_another_host_is_refused(tmp_path: Path, name: str) -> None:
    made = certificates(tmp_path, name)
    with Shop(always(answer()), tls=made) as shop:
        outcome = post_once(shop.url, ca_file=made.authority)
    assert outcome.kind is OutcomeKind.REFUSED
    assert "not valid for '127.0.0.1'" in reason(outcome)
    assert shop.asked == []


def test_the_certificate_must_name_the_host_of_the_url_and_not_its_address(tmp_path: Path) -> None:
    made = certificates(tmp_path, "shop.example")
    with Shop(always(answer()), tls=made) as shop:
        url = shop.url.replace("127.0.0.1", "shop.example")
        outcome = post_once(url, ca_file=made.authority, look_up=leading_to("127.0.0.1"))
        assert outcome == DONE
    assert shop.asked[0].headers["host"] == f"shop.example:{shop.port}"


def test_a_server_that_speaks_no_tls_is_named() -> None:
    def plain(visit: Visit) -> None:
        visit.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        visit.wait()

    with Shop(plain) as shop:
        outcome = post_once(shop.url.replace("http:", "https:"))
    assert outcome.kind is OutcomeKind.TRANSIENT
    assert reason(outcome).startswith(f"no TLS with 127.0.0.1:{shop.port} (")


def test_a_server_that_leaves_while_tls_is_agreed_on_is_named() -> None:
    with Shop(Visit.close) as shop:
        outcome = post_once(shop.url.replace("http:", "https:"))
    assert outcome.kind is OutcomeKind.TRANSIENT
    assert "TLS" in reason(outcome)


def test_a_file_that_holds_no_certificates_is_named_at_once(tmp_path: Path) -> None:
    nothing = tmp_path / "nothing.pem"
    with pytest.raises(ValueError, match=r"nothing\.pem"):
        client("https://shop.example", ca_file=nothing)
    nothing.write_text("nothing")
    with pytest.raises(ValueError, match=r"nothing\.pem"):
        client("https://shop.example", ca_file=nothing)
