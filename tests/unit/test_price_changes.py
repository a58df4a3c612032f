from tasks.payments.item import Item
from tasks.payments.price import Price
from tasks.payments.price_changes import PriceChange, price_changes
from tasks.payments.price_list_form import PriceList


def test_what_changes_is_what_is_not_the_same() -> None:
    five, six = Item(price=Price(cents=5)), Item(price=Price(cents=6))
    before = PriceList(items={"same": five, "gone": five, "dearer": five})
    after = PriceList(items={"new": six, "dearer": six, "same": five})
    assert price_changes(before, after) == [
        PriceChange("gone", five, None),
        PriceChange("dearer", five, six),
        PriceChange("new", None, six),
    ]
    assert price_changes(before, before) == []
    assert price_changes(None, after) == [PriceChange(name, None, item) for name, item in after.items.items()]
