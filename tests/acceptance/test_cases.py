"""Payments with which integrators of payment providers had trouble, through HTTP, broker and workers."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import pytest
from pydantic import SecretStr

from tasks.settings import Settings
from tests.acceptance.servers import COMBINATIONS, Serve
from tests.acceptance.told_cases import CATALOG, FOLDER, Case, held, play, read_case, visible
from tests.engines import connected
from tests.stack import Stack

CASES = [read_case(path) for path in sorted(FOLDER.glob("*.json"))]


@dataclass(frozen=True)
class Shop:
    """A shop in which every case has happened."""

    stack: Stack
    visible: Mapping[str, Sequence[str]]


@pytest.fixture(scope="module", params=COMBINATIONS[:2])
def shop(
    request: pytest.FixtureRequest, serve: Serve, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Shop]:
    folder = tmp_path_factory.mktemp("cases")
    with (
        serve(request.param, folder) as environment,
        Stack(folder, {**environment, "CATALOG_PATH": str(CATALOG)}) as stack,
    ):
        stack.release()
        stack.start("web", "worker")
        address = Settings(database_url=SecretStr(stack.environment["DATABASE_URL"]))
        with connected(address.database_url.get_secret_value()) as engine:
            play(stack, engine, CASES)
        yield Shop(stack, visible(stack))


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_payments_as_real_shops_have_them(shop: Shop, case: Case) -> None:
    assert {wallet: held(shop.stack, wallet) for wallet in case.wallets} == case.wallets
    listed = {each: reasons for each, reasons in shop.visible.items() if each in case.payment_ids}
    assert listed == {payment_id: sorted(reasons) for payment_id, reasons in case.visible.items()}


def test_no_two_cases_speak_of_one_payment_or_one_wallet() -> None:
    payments = Counter(payment_id for case in CASES for payment_id in case.payment_ids)
    wallets = Counter(wallet for case in CASES for wallet in case.wallets)
    assert [each for each, count in (payments + wallets).items() if count > 1] == []
