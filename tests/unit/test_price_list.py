from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.errors import CouponInvalid, ItemUnknown, Overpaid, PriceMismatch
from tasks.payments.coupon import Coupon
from tasks.payments.plan import Plan, PriceRange
from tasks.payments.price import Price
from tasks.payments.price_list import AcceptedPriceList, PriceListError, read_price_list
from tasks.payments.price_list_form import Overpayment
from tasks.payments.quote import Asked
from tests.stack import ROOT

FORMER = "{ cents = 4, ended = 2026-11-01T00:00:00+01:00, grace_days = 7 }"
SOLD = "[items.sword]\nprice = { cents = 5 }\n"
EVERYTHING = """
overpayment = { percent = 5 }
[only]
env = "production"
[items.sword]
price = [{ cents = 500, currency = "USD" }, { cents = 460, currency = "EUR" }]
recipient = true
limit = 3
once_per = "orderId"
[items.shield]
price = "any"
[items.credits]
price = { cents = 5, per = 100, currency = "USD" }
[items.starter]
price = { cents = 900 }
grants = { sword = 1, shield = 2 }
[coupons.WELCOME20]
percent = 20
until = 2026-12-31T00:00:00Z
items = ["sword"]
[plans.gold]
item = "sword"
price_range = { from = 1, to = 999, currency = "USD" }
"""


@pytest.mark.parametrize(
    ("text", "line", "complaint"),
    [
        ("[items.sword\n", 1, "at line 1"),
        ("# one\n[items.sword]\nprice = [\n\n", 3, "at end of document"),
        ("[items.sword]\nprice = { cents = 0 }", 2, "items.sword.price.cents"),
        ("[items.sword]\nprice = { cents = 5.0 }", 2, "items.sword.price.cents"),
        ("[items.sword]\nprice = { cents = true }", 2, "items.sword.price.cents"),
        ('[items.sword]\nprice = { cents = 5, currency = "usd" }', 2, "items.sword.price.currency"),
        ("[items.sword]\nprize = { cents = 5 }", 2, "items.sword.prize"),
        ("[item.sword]\nprice = { cents = 5 }", 1, "item"),
        ('[items.sword]\nprice = { cents = """\n5\n""" }', 4, "items.sword.price.cents"),
        (f"{SOLD}\n[items.shield]\n\n[items.axe]\nprice = {{ cents = 5 }}", 4, "items.shield.price"),
        (f"{SOLD}former_prices = {{ cents = 4 }}", 3, "items.sword.former_prices"),
        (
            f"{SOLD}former_prices = [\n  {FORMER},\n  {FORMER.replace('+01:00', '')},\n  {FORMER},\n]\n",
            5,
            "items.sword.former_prices.1.ended: Input should have timezone info",
        ),
        (
            f"{SOLD}[[items.sword.former_prices]]\ncents = 4\nended = 2026-11-01T00:00:00Z\ngrace_days = -1",
            6,
            "items.sword.former_prices.0.grace_days",
        ),
        (
            f"{SOLD}former_prices = [{{ cents = 4, ended = 9999-12-31T00:00:00Z, grace_days = 1 }}]",
            3,
            "items.sword.former_prices.0: ended plus grace_days",
        ),
        ("", 1, "items"),
    ],
)
def test_a_broken_list_is_refused_with_its_line(text: str, line: int, complaint: str) -> None:
    with pytest.raises(PriceListError) as error:
        read_price_list(text)
    assert error.value.line == line
    assert complaint in error.value.reason
    assert error.value.told_of(Path("a/b.toml")) == f"a/b.toml, line {line}: {error.value.reason}"


@pytest.mark.parametrize("nonsense", ["9" * 5_000, "[" * 100_000])
def test_what_python_itself_cannot_read_is_refused(nonsense: str) -> None:
    with pytest.raises(PriceListError) as error:
        read_price_list(f"items = {nonsense}")
    assert error.value.told_of(Path("b.toml")).startswith("b.toml: ")


ITEMS = st.sampled_from(
    [
        "price = { cents = 5 }",
        "# ] } \u2028 a remark\n\nprice = { cents = 7 } # [",
        'price.cents = 9\nprice.currency = "EUR"',
        "price = { cents = 5 }\nformer_prices = [\n  # none yet\n]",
        f"price = {{ cents = 5 }}\nformer_prices = [\n  {FORMER},\n  {FORMER} # ]\n]",
        'price = { cents = 5, currency = """\\\n\n  USD""" }',
        'price = [\n  { cents = 5 }, # ]\n  { cents = 4, currency = "EUR" },\n]',
        'limit = 1\n[[items.NAME.price]]\ncents = 0\n[[items.NAME.price]]\ncents = 5\ncurrency = "EUR"',
        "refund = 'keep'\n[items.NAME.price]\ncents = 5\nper = 100",
        "price = 'any'\n[coupons.NAME]\npercent = 1\nitems = [\n'NAME' ] # ]\n[plans.NAME]\nitem = 'NAME'",
    ]
)
FAULTS = st.sampled_from(
    [
        ("price = { cents = -1 }", 0),
        ("price = { cents = 0 }", 0),
        ("prize = { cents = 1 }", 0),
        ("price = { cents = 5 }\ncolour = 'red'", 1),
        ("price = { cents = 5 }\nformer_prices = [\n  { cents = 4 }, # no end\n]", 2),
        ('price.cents = 9\nprice.currency = "eur"', 1),
        ("price = [\n  { cents = 5 }, # ]\n  { cents = 6 },\n]", 2),
        ("[[items.faulty.price]]\ncents = 5\n[[items.faulty.price]]\ncurrency = 'EUR'\ncents = 0", 4),
        ("price = 'any'\n[items.faulty.grants]\n# none = 1\nnone = 1", 3),
        ("price = 'any'\n[items.faulty.grants]\nfaulty = 1", 2),
    ]
)


def written(name: str, item: str) -> str:
    return f"[items.{name}]\n{item.replace('NAME', name)}\n"


@given(before=st.lists(ITEMS, max_size=6), fault=FAULTS, after=st.lists(ITEMS, max_size=6))
def test_the_line_of_a_fault_is_exact(before: list[str], fault: tuple[str, int], after: list[str]) -> None:
    broken, offset = fault
    good = "".join(written(f"b{number}", item) for number, item in enumerate(before))
    rest = "".join(written(f"a{number}", item) for number, item in enumerate(after))
    if good + rest:
        assert len(read_price_list(good + rest).items) == len(before) + len(after)
    with pytest.raises(PriceListError, match=r"items\.faulty\.") as error:
        read_price_list(f"{good}[items.faulty]\n{broken}\n{rest}")
    assert error.value.line == good.count("\n") + 2 + offset


NOW = datetime(2026, 11, 5, tzinfo=UTC)


def asked(item: str, cents: int, coupon: str | None = None) -> Asked:
    return Asked([(item, 1)], coupon, None, is_subscribed=False, cents=cents, currency="USD", at=NOW)


def test_a_refusal_names_the_list_that_it_was_made_by() -> None:
    prices = read_price_list("[items.sword]\nprice = { cents = 500 }\n")
    accepted = AcceptedPriceList(3, "1a2b3c4d" + "0" * 56, NOW, "alice@shop", prices)
    assert accepted.quote(asked("sword", 500)).lines[0].cents == 500
    name = r"Decided by price list 1a2b3c4d, accepted 2026-11-05 00:00:00 UTC\.$"
    with pytest.raises(PriceMismatch, match=rf"costs 500 cents USD.* {name}"):
        accepted.quote(asked("sword", 499))
    with pytest.raises(Overpaid, match=rf"costs 500 cents USD.* {name}") as error:
        accepted.quote(asked("sword", 501))
    assert error.value.quote.over == 1
    with pytest.raises(CouponInvalid, match=rf"'HALF'\. {name}"):
        accepted.quote(asked("sword", 500, "HALF"))
    with pytest.raises(ItemUnknown, match=rf"excalibur.* {name}"):
        accepted.quote(asked("excalibur", 500))


def test_the_list_that_comes_along_can_be_read() -> None:
    text = (ROOT / "catalog.toml").read_text(encoding="utf-8")
    assert read_price_list(text).items["sword"].prices == (Price(cents=500, currency="USD"),)


def test_a_list_says_what_real_shops_sell() -> None:
    prices = read_price_list(EVERYTHING)
    sword, shield, credits_ = (prices.items[name] for name in ("sword", "shield", "credits"))
    assert [price.of(2) for price in sword.prices] == [1_000, 920]
    assert (sword.recipient, sword.limit, sword.once_per) == (True, 3, "orderId")
    assert (shield.prices, shield.is_any, sword.is_any) == ((), True, False)
    assert [credits_.prices[0].of(each) for each in (1, 20, 21, 100, 101)] == [1, 1, 2, 5, 6]
    assert prices.items["starter"].grants == {"sword": 1, "shield": 2}
    assert prices.coupons == {
        "WELCOME20": Coupon(percent=20, until=datetime(2026, 12, 31, tzinfo=UTC), items=("sword",))
    }
    assert prices.plans == {
        "gold": Plan(item="sword", price_range=PriceRange.model_validate({"from": 1, "to": 999}))
    }
    assert (prices.only, prices.overpayment) == ({"env": "production"}, Overpayment(percent=5))


def test_a_list_that_says_nothing_of_it_has_todays_form() -> None:
    prices = read_price_list(SOLD)
    assert (prices.only, prices.coupons, prices.plans, prices.overpayment.percent) == ({}, {}, {}, 10)
    (item,) = prices.items.values()
    assert (item.grants, item.recipient, item.limit, item.once_per) == ({}, False, None, None)


def test_one_price_is_an_array_of_one() -> None:
    assert read_price_list(SOLD) == read_price_list(SOLD.replace("{ cents = 5 }", "[{ cents = 5 }]"))


@pytest.mark.parametrize(
    ("broken", "line", "complaint"),
    [
        ("price = [\n { cents = 5 },\n { cents = 6 } ]", 4, "price.1: a second price in USD"),
        ("price = [\n { cents = 5 },\n { cents = 6, currency = 'E' } ]", 4, "price.1.currency"),
        (
            "price = [\n { cents = 5, per = 0 } ]",
            3,
            "price.0.per: Input should be greater than or equal to 1",
        ),
        ("price = []", 2, "price: "),
        ("price = 'all'", 2, 'price: expected a price, an array of prices, or "any"'),
        ("price.per = 2\nprice.cents = 0", 3, "price.cents: what costs nothing needs a limit"),
        (
            "price = [{ cents = 5 },\n { currency = 'EUR', cents = 0 }]",
            3,
            "price.1.cents: what costs nothing",
        ),
        (
            f"price = {{ cents = 5 }}\nformer_prices = [\n{FORMER.replace('= 4', '= 0')}]",
            4,
            "former_prices.0.cents: what costs nothing needs a limit",
        ),
        ("price = { cents = 1_000_000_000_000_001 }", 2, "price.cents"),
        ("price = { cents = 5 }\nlimit = 0", 3, "limit: Input should be greater than or equal to 1"),
        ("price = { cents = 5 }\nrecipient = 1", 3, "recipient: Input should be a valid boolean"),
        ("price = { cents = 5 }\nonce_per = ''", 3, "once_per"),
        ("price = { cents = 5 }\ngrants = {}", 3, "grants"),
        ("price = { cents = 5 }\n[items.a.grants]\na = 1", 4, "grants.a: a bundle cannot be part of one"),
        ("price = { cents = 5 }\ngrants = { c = 1 }", 3, "grants.c: the list has no item 'c'"),
        ("price = { cents = 5 }\n[items.a.grants]\nb = 1\nd = 0", 5, "grants.d: Input should be greater"),
        ("price = { cents = 5 }\n[items.a.grants]\nb = 1_000_001", 4, "grants.b: Input should be less"),
        ("price = 'any'\ngrants = { 'b' = '1' }", 3, "grants.b: Input should be a valid integer"),
    ],
)
def test_a_broken_item_is_refused_with_its_line(broken: str, line: int, complaint: str) -> None:
    with pytest.raises(PriceListError) as error:
        read_price_list(f"[items.a]\n{broken}\n[items.b]\nprice = {{ cents = 1 }}\n")
    assert error.value.reason.startswith("items.a.")
    assert (error.value.line, complaint in error.value.reason) == (line, True), error.value


@pytest.mark.parametrize(
    ("broken", "line", "complaint"),
    [
        ("[coupons.A]\npercent = 0", 4, "coupons.A.percent: Input should be greater than or equal to 1"),
        ("[coupons.A]\npercent = 101", 4, "coupons.A.percent: Input should be less than or equal to 100"),
        ("[coupons.A]\npercent = '20'", 4, "coupons.A.percent: Input should be a valid integer"),
        (
            "[coupons.A]\npercent = 20\nuntil = 2026-12-31",
            5,
            "coupons.A.until: Input should be a valid datetime",
        ),
        ("[coupons.A]\npercent = 20\nuntil = 2026-12-31T00:00:00", 5, "coupons.A.until: Input should have"),
        ("[coupons.A]\npercent = 20\nuntil = '2026-12-31T00:00:00Z'", 5, "coupons.A.until"),
        (
            "[coupons.A]\npercent = 20\nitems = [\n'sword',\n'axe']",
            7,
            "coupons.A.items.1: the list has no item",
        ),
        ("[coupons.A]\npercent = 20\nitems = []", 5, "coupons.A.items"),
        ("[coupons.A]\npercent = 20\nitem = 'sword'", 5, "coupons.A.item: Extra inputs"),
        (
            "[coupons.A]\nuntil = 2026-12-31T00:00:00Z\npercent = 100",
            5,
            "coupons.A.percent: what costs nothing",
        ),
        ("[plans.gold]\nquantity = 2", 3, "plans.gold.item: Field required"),
        ("[plans.gold]\nitem = 'gold'", 4, "plans.gold.item: the list has no item 'gold'"),
        ("[plans.gold]\nitem = 'sword'\nquantity = 0", 5, "plans.gold.quantity"),
        ("[plans.gold]\nitem = 'sword'\nprice_range = { from = 1 }", 5, "plans.gold.price_range.to"),
        ("[plans.gold]\nitem = 'sword'\n[plans.gold.price_range]\nto = 5\nfrom = 0", 7, "price_range.from"),
        (
            "[plans.gold]\nitem = 'sword'\nprice_range = { from = 6, to = 5 }",
            5,
            "price_range: from is above to",
        ),
        (
            "[plans.gold]\nitem = 'sword'\nprice_range = { from = 1, to = 5, least = 0 }",
            5,
            "price_range.least: Extra inputs",
        ),
        ("[only]\nenv = 1", 4, "only.env: Input should be a valid string"),
        ("[only]\na = 'b'\nenv = ''", 5, "only.env: String should have at least 1 character"),
        ("[overpayment]\n\npercent = 101", 5, "overpayment.percent"),
        ("[overpayment]\npercent = -1", 4, "overpayment.percent"),
        ("[overpayment]\ncents = 5", 4, "overpayment.cents: Extra inputs"),
        ("[discounts]\npercent = 1", 3, "discounts: Extra inputs"),
    ],
)
def test_what_is_broken_beside_the_items_is_refused_with_its_line(
    broken: str, line: int, complaint: str
) -> None:
    with pytest.raises(PriceListError) as error:
        read_price_list(f"[items.sword]\nprice = {{ cents = 5 }}\n{broken}\n[items.z]\nprice = 'any'\n")
    assert (error.value.line, complaint in error.value.reason) == (line, True), error.value


def test_a_coupon_may_give_away_what_has_a_limit_or_any_price() -> None:
    prices = read_price_list(
        "[items]\na = { price.cents = 5, limit = 1 }\nb.price = 'any'\n[coupons.A]\npercent = 100\n"
    )
    assert prices.coupons["A"].off(5) == 0
