"""Random price lists that are valid, as texts in the ways in which people write TOML."""

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta, timezone
from random import Random
from typing import Any

#: Around this moment former prices and coupons end.
NOW = datetime(2026, 11, 5, tzinfo=UTC)
CURRENCIES = ("USD", "EUR", "JPY")
NAMES = ("sword", "shield", "potion", "credits", "gold coin", "a.b", "é", "7")

Table = dict[str, Any]


def any_list(random: Random) -> Table:
    """Return what a valid list holds."""
    names = random.sample(NAMES, random.randint(1, 5))
    items = {name: _item(random) for name in names}
    for name in names[1:]:
        if random.random() < 0.2:
            parts = [each for each in names if each != name and "grants" not in items[each]]
            chosen = random.sample(parts, min(len(parts), 2))
            # What is part of a bundle already must stay none.
            is_part = any(name in item.get("grants", {}) for item in items.values())
            if chosen and not is_part and not {"limit", "once_per"} & items[name].keys():
                items[name]["grants"] = {each: random.randint(1, 5) for each in chosen}
    listed: Table = {"items": items}
    if random.random() < 0.5:
        listed["overpayment"] = {"percent": random.choice([0, 1, 3, 10, 50, 100])}
    if random.random() < 0.2:
        listed["only"] = {"env": "production"}
    if random.random() < 0.7:
        listed["coupons"] = {code: _coupon(random, items) for code in ("A", "B-2")[: random.randint(1, 2)]}
    if random.random() < 0.7:
        listed["plans"] = {code: _plan(random, names) for code in ("gold", "year")[: random.randint(1, 2)]}
    return listed


def _item(random: Random) -> Table:
    item: Table = {}
    if random.random() < 0.15:
        item["price"] = "any"
    else:
        currencies = ["USD", *random.sample(CURRENCIES[1:], random.choice([0, 0, 1]))]
        if random.random() < 0.15:
            currencies = random.sample(CURRENCIES, 2)
        prices = [_price(random, currency) for currency in currencies]
        item["price"] = prices[0] if len(prices) == 1 and random.random() < 0.8 else prices
        if random.random() < 0.4:
            item["former_prices"] = [_former(random) for _ in range(random.randint(1, 3))]
        if random.random() < 0.1:
            prices[0]["cents"] = 0
    free = item["price"] != "any" and not all(each["cents"] for each in prices)
    if free or random.random() < 0.2:
        item["limit"] = random.randint(1, 3)
    for name, values in (
        ("refund", ["keep", "proportional"]),
        ("recipient", [True, False]),
        ("once_per", ["orderId"]),
    ):
        if random.random() < 0.2:
            item[name] = random.choice(values)
    return item


def _price(random: Random, currency: str) -> Table:
    price: Table = {"cents": random.choice([1, 2, 5, 99, 100, random.randint(1, 2_000)])}
    if random.random() < 0.3:
        price["per"] = random.choice([1, 3, 100])
    if currency != "USD" or random.random() < 0.5:
        price["currency"] = currency
    return price


def _former(random: Random) -> Table:
    ended = NOW - timedelta(days=random.randint(-1, 3), seconds=random.choice([0, 0, 1]))
    zone = timezone(timedelta(hours=random.choice([0, 0, 2, -7])))
    return {
        **_price(random, random.choice(["USD", *CURRENCIES])),
        "ended": ended.astimezone(zone),
        "grace_days": random.randint(0, 4),
    }


def _coupon(random: Random, items: Mapping[str, Table]) -> Table:
    coupon: Table = {"percent": random.choice([1, 10, 20, 33, 99, 100])}
    if random.random() < 0.5:
        coupon["until"] = NOW + timedelta(days=random.choice([0, 0, 3]), seconds=random.choice([-1, 0, 1]))
    if random.random() < 0.4:
        coupon["items"] = random.sample(sorted(items), random.randint(1, len(items)))
    taken = [items[name] for name in coupon.get("items", items)]
    if coupon["percent"] == 100 and any("limit" not in each and each["price"] != "any" for each in taken):
        coupon["percent"] = 50
    return coupon


def _plan(random: Random, names: list[str]) -> Table:
    plan: Table = {"item": random.choice(names)}
    if random.random() < 0.3:
        plan["quantity"] = random.randint(1, 3)
    if random.random() < 0.8:
        least = random.randint(1, 500)
        plan["price_range"] = {"from": least, "to": least + random.choice([0, 1, 400])}
        if random.random() < 0.5:
            plan["price_range"]["currency"] = random.choice(CURRENCIES)
    return plan


def text_of(random: Random, listed: Table) -> str:
    """Return a list as a text: tables with headers, inline or as dotted keys, arrays in one line or more."""
    values = {name: each for name, each in listed.items() if name == "overpayment" and random.random() < 0.5}
    tables = [(name, each) for name, each in listed.items() if name not in values]
    random.shuffle(tables)
    lines = [f"{name} = {_value(random, each)}" for name, each in values.items()]
    for name, each in tables:
        lines += _table(random, (name,), each)
    return "\n".join(lines) + "\n"


def _table(random: Random, path: tuple[str, ...], table: Table) -> Iterator[str]:
    """Yield the lines of a table: what belongs to it itself must come before other headers."""
    below: list[tuple[str, Any]] = []
    if random.random() < 0.2:
        yield f"# [{path[-1]}] {{"
    yield f"[{_dotted(path)}]"
    for name, value in table.items():
        is_table = isinstance(value, dict)
        is_array = isinstance(value, list) and isinstance(value[0], dict)
        if (len(path) == 1 and is_table) or ((is_table or is_array) and random.random() < 0.3):
            below.append((name, value))
        elif is_table and random.random() < 0.3:
            yield from (f"{_dotted((name, key))} = {_value(random, each)}" for key, each in value.items())
        else:
            yield f"{_key(name)} = {_value(random, value)}"
    for name, value in below:
        if isinstance(value, dict):
            yield from _table(random, (*path, name), value)
            continue
        for each in value:
            yield f"[[{_dotted((*path, name))}]]"
            yield from (f"{_key(key)} = {_value(random, part)}" for key, part in each.items())


def _value(random: Random, value: Any) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{_key(key)} = {_value(random, each)}" for key, each in value.items()) + " }"
    if isinstance(value, list):
        between = random.choice([", ", ",\n  ", ", # ]\n"])
        end = "\n" if "\n" in between else ""
        return f"[{end}{between.join(_value(random, each) for each in value)}{end}]"
    return value.isoformat() if isinstance(value, datetime) else json.dumps(value, ensure_ascii=False)


def _key(name: str) -> str:
    return name if name.isascii() and name.isalnum() else json.dumps(name, ensure_ascii=False)


def _dotted(path: tuple[str, ...]) -> str:
    return ".".join(map(_key, path))
