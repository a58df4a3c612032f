"""Payments with which integrators of payment providers had trouble, through HTTP, broker and workers."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from pydantic import SecretStr

from tasks.settings import Settings
from tests.acceptance.servers import COMBINATIONS, Serve
from tests.acceptance.told_cases import CATALOG, FOLDERS, Case, held, play, read_cases, states, visible
from tests.engines import connected
from tests.stack import Stack

CASES = [(folder, case) for folder in FOLDERS for case in read_cases(folder)]


@dataclass(frozen=True)
class Shop:
    """A shop in which every case of a folder has happened."""

    stack: Stack
    visible: Mapping[str, Sequence[str]]
    states: Mapping[str, str]


@contextmanager
def selling(environment: Mapping[str, str], folder: Path, told: Path) -> Iterator[Shop]:
    """Run a shop, with its data in `folder`, in which the cases that lie in `told` happen."""
    with Stack(folder, {**environment, "CATALOG_PATH": str(told / CATALOG)}) as stack:
        stack.release()
        stack.start("web", "worker")
        address = Settings(database_url=SecretStr(stack.environment["DATABASE_URL"]))
        with connected(address.database_url.get_secret_value()) as engine:
            play(stack, engine, [case for lies_in, case in CASES if lies_in == told])
        yield Shop(stack, visible(stack), states(stack))


@pytest.fixture(scope="module", params=COMBINATIONS[:2])
def shops(
    request: pytest.FixtureRequest, serve: Serve, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Mapping[Path, Shop]]:
    """Return the shop of each folder's price list."""
    with ExitStack() as exits:
        running = {}
        for told in FOLDERS:
            folder = tmp_path_factory.mktemp(told.name)
            environment = exits.enter_context(serve(request.param, folder))
            running[told] = exits.enter_context(selling(environment, folder, told))
        yield running


@pytest.mark.parametrize(("told", "case"), CASES, ids=[case.name for _, case in CASES])
def test_payments_as_real_shops_have_them(shops: Mapping[Path, Shop], told: Path, case: Case) -> None:
    shop = shops[told]
    assert {wallet: held(shop.stack, wallet) for wallet in case.wallets} == case.wallets
    listed = {each: reasons for each, reasons in shop.visible.items() if each in case.payment_ids}
    assert listed == {payment_id: sorted(reasons) for payment_id, reasons in case.visible.items()}
    assert {payment_id: shop.states[payment_id] for payment_id in case.states} == case.states


def test_no_two_cases_speak_of_one_payment_or_one_wallet() -> None:
    payments = Counter(payment_id for _, case in CASES for payment_id in case.payment_ids)
    wallets = Counter(wallet for _, case in CASES for wallet in case.wallets)
    assert [each for each, count in (payments + wallets).items() if count > 1] == []
