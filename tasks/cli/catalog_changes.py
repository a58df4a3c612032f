"""What another price list changes, as commands tell it."""

from collections.abc import Mapping
from typing import Any

from tasks.cli.catalog_documents import item_changes, term_changes
from tasks.cli.catalog_tables import print_changes
from tasks.payments.price_changes import price_changes
from tasks.payments.price_list import AcceptedPriceList
from tasks.payments.price_list_form import PriceList

#: What `changes_to` returns where nothing changes.
NO_CHANGES: Mapping[str, list[dict[str, Any]]] = {"changes": [], "other_changes": []}


def changes_to(before: AcceptedPriceList | None, after: PriceList) -> Mapping[str, list[dict[str, Any]]]:
    """Return what changes, as a document: of items, and beside them."""
    former = before.prices if before else None
    return {
        "changes": item_changes(price_changes(former, after)),
        "other_changes": term_changes(former, after),
    }


def print_changes_to(title: str, before: AcceptedPriceList | None, after: PriceList) -> None:
    """Print what changes."""
    former = before.prices if before else None
    print_changes(title, price_changes(former, after), term_changes(former, after))
