"""What a payment comes to, what a grant is, and what a person can say: words that rules and tables share."""

from enum import StrEnum


class DecisionStatus(StrEnum):
    """What a payment comes to."""

    #: Nobody has paid.
    NOTHING = "nothing"
    #: Paid, and no event names the item yet.
    UNMATCHED = "unmatched"
    GRANTED = "granted"
    #: A dispute is open, or the amount is incomplete.
    SUSPENDED = "suspended"
    #: The money is gone, or a person says so.
    REVOKED = "revoked"
    #: Paid, and cannot be granted: a dead letter says why.
    REFUSED = "refused"
    #: It is of another shop or environment than the price list is for.
    FILTERED = "filtered"


class GrantStatus(StrEnum):
    """What a wallet may do with what it was granted."""

    GRANTED = "granted"
    SUSPENDED = "suspended"
    REVOKED = "revoked"


class ResolutionKind(StrEnum):
    """What a person can say of a payment."""

    #: It bought this.
    ITEM = "item"
    #: It is for this wallet.
    WALLET = "wallet"
    #: What was paid is enough.
    ACCEPT_PRICE = "accept_price"
    #: The buyer shall not have it.
    REVOKE = "revoke"
    #: What has gone back or is disputed so far shall not count.
    RESTORE = "restore"
    #: Nothing is left to do about what has come so far.
    DONE = "done"
