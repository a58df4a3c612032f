from hypothesis import given
from hypothesis import strategies as st

from tasks.coinflow.event_types import EVENT_TYPES, Family, Meaning


def _names(meaning: Meaning) -> set[str]:
    return {event_type.name for event_type in EVENT_TYPES.values() if event_type.meaning is meaning}


def test_the_table_has_every_documented_spelling_once() -> None:
    assert len(EVENT_TYPES) == 75
    assert all(name == event_type.name for name, event_type in EVENT_TYPES.items())
    assert all(name == name.strip() and "  " not in name for name in EVENT_TYPES)


def test_every_family_and_meaning_is_used() -> None:
    assert {event_type.family for event_type in EVENT_TYPES.values()} == set(Family)
    assert {event_type.meaning for event_type in EVENT_TYPES.values()} == set(Meaning)


def test_the_spellings_that_trap() -> None:
    assert {"Subscription Canceled", "CashApp Failure", "Sub-merchant KYB Created"} <= EVENT_TYPES.keys()
    assert {"Iban Failure", "PIX Failed", "PayPal Failure"} <= EVENT_TYPES.keys()


def test_an_authorisation_never_pays() -> None:
    assert _names(Meaning.PAID) == {"Settled", "USDC Payment Received", "Crypto Payin Funds Received"}


def test_what_suspends_restores_and_revokes() -> None:
    methods = ("Card", "PayPal", "Venmo")
    assert _names(Meaning.RESTORES) == {f"{method} Payment Chargeback Won" for method in methods}
    lost = {f"{method} Payment Chargeback Lost" for method in methods}
    assert _names(Meaning.REVOKES) == lost | {"ACH Returned"}
    opened = {f"{method} Payment Chargeback Opened" for method in methods}
    assert _names(Meaning.SUSPENDS) == opened | {"ACH Chargeback", "Crypto Underpayment"}
    assert _names(Meaning.REFUNDS) == {"Refund", "Refund Complete"}
    assert _names(Meaning.UNDOES_REFUND) == {"Refund Failure", "Refund Returned"}


def test_every_failed_attempt_closes() -> None:
    paying = {
        name
        for name, event_type in EVENT_TYPES.items()
        if event_type.family in {Family.PURCHASE, Family.DECLINED}
        and name.endswith(("Declined", "Voided", "Failed", "Failure", "Expiration", "Suspected Fraud"))
    }
    assert _names(Meaning.CLOSES) == paying


@given(st.text().filter(lambda name: name not in EVENT_TYPES))
def test_a_type_that_coinflow_added_since_is_none(name: str) -> None:
    assert EVENT_TYPES.get(name) is None
