"""Items that any amount buys, and the warning about them."""

from tasks.payments.price_list_form import PriceList

#: How many items a warning names.
_TOLD = 10

WARNING = "safe only where the checkout is tokenised (JWT); otherwise the buyer can edit the amount"


def any_amount_items(prices: PriceList) -> str:
    """Return the names of the items that any amount buys, as text; an empty one if there are none."""
    names = [name for name, item in prices.items.items() if item.is_any]
    return ", ".join([*names[:_TOLD], *(["..."] if len(names) > _TOLD else [])])
