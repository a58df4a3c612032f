"""Forgetting: facts of an event without the buyer that they name."""

from collections.abc import Collection

from tasks.coinflow.spellings import without_merchant
from tasks.payments.facts import Facts
from tasks.payments.named import Named
from tasks.payments.wallet import wallet_key


def names(facts: Facts | None, key: str) -> bool:
    """Tell whether facts name the buyer of a wallet's key."""
    return facts is not None and facts != forgotten(facts, key, "", facts.info)


def forgotten(facts: Facts | None, key: str, alias: str, told_by: Collection[str]) -> Facts | None:
    """Return facts that name the alias for a buyer, and of `webhookInfo` the members by these names alone."""
    if facts is None:
        return None

    def renamed(name: str | None) -> str | None:
        return alias if name and wallet_key(without_merchant(name)) == key else name

    def without(named: Named | None) -> Named | None:
        return named and named.model_copy(update={"recipient": renamed(named.recipient)})

    return facts.model_copy(
        update={
            "customer": renamed(facts.customer),
            "named": without(facts.named),
            "cycle": facts.cycle and facts.cycle.model_copy(update={"named": without(facts.cycle.named)}),
            "info": {name: renamed(value) for name, value in facts.info.items() if name in told_by},
        }
    )
