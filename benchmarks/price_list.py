"""How long a long price list takes to be read, and a purchase to be quoted by it.

    python -m benchmarks.price_list [items]

It makes a list with former prices, bundles, coupons and plans, reads it, and finds the line of a fault at its
end. Then it quotes the same purchases by a tenth of the list and by all of it: the times should be alike. It
prints the least of several times, in milliseconds and microseconds of the processor.
"""

import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime

from tasks.payments.price_list import PriceListError, read_price_list
from tasks.payments.price_list_form import PriceList
from tasks.payments.quote import Asked, quote

_NOW = datetime(2026, 11, 5, tzinfo=UTC)


def main(items: int) -> None:
    """Measure and print."""
    text = _text(items)
    milliseconds = 1_000 * _least(lambda: read_price_list(text), 5)
    fault = 1_000 * _least(lambda: _refused(f"{text}[plans.last]\nitem = 'none'\n"), 5)
    _say(f"{items} items, {len(text) // 1024} KiB: read in {milliseconds:.0f} ms, refused in {fault:.0f} ms")
    for count in (items // 10, items):
        prices = read_price_list(_text(count))
        times = ", ".join(
            f"{name} {_microseconds(prices, each):.1f} us" for name, each in _asked(count).items()
        )
        _say(f"quoted by {count} items: {times}")


def _text(items: int) -> str:
    """Return a list in which every tenth item has a former price and every twentieth is a bundle."""
    parts = []
    for number in range(items):
        part = f'[items.item-{number}]\nprice = {{ cents = {number + 1}, currency = "USD" }}\n'
        if number % 10 == 1:
            former = f"cents = {number}, ended = 2026-11-01T00:00:00Z, grace_days = 7"
            part += f"former_prices = [{{ {former} }}]\n"
        if number % 20 == 0:
            part += f"grants = {{ item-{number + 1} = 1, item-{number + 2} = 3 }}\n"
        parts.append(part)
    of_coupon = ", ".join(f'"item-{number}"' for number in range(items))
    for number in range(items // 50):
        parts.append(f"[coupons.COUPON{number}]\npercent = 20\nuntil = 2026-12-31T00:00:00Z\n")
        parts.append(f"[plans.plan-{number}]\nitem = 'item-{number}'\nprice_range = {{ from = 1, to = 9 }}\n")
    parts.append(f"[coupons.SOME]\npercent = 50\nitems = [{of_coupon}]\n")
    return "".join(parts)


def _asked(items: int) -> dict[str, Asked]:
    last = items - 1
    cart = [(f"item-{number}", 2) for number in range(1, 101, 10)]
    cents = sum(2 * (number + 1) for number in range(1, 101, 10))
    one = Asked([(f"item-{last}", 1)], None, None, is_subscribed=False, cents=items, currency="USD", at=_NOW)
    return {
        "one item": one,
        "with a coupon": one._replace(coupon="SOME", cents=items // 2),
        "a cart of 10 with former prices": one._replace(lines=cart, cents=cents - 10),
    }


def _microseconds(prices: PriceList, asked: Asked) -> float:
    def hundred() -> None:
        for _ in range(100):
            quote(prices, asked)

    return 1_000_000 * _least(hundred, 20) / 100


def _refused(text: str) -> None:
    try:
        read_price_list(text)
    except PriceListError:
        return
    raise AssertionError("It was to be refused.")


def _least(work: Callable[[], object], times: int) -> float:
    """Return the least seconds of the processor that some work took."""
    taken = []
    for _ in range(times):
        began = time.process_time()
        work()
        taken.append(time.process_time() - began)
    return min(taken)


def _say(line: str) -> None:
    print(line)  # noqa: T201  # what a benchmark is for


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5_000)
