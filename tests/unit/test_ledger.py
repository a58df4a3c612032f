from hypothesis import given
from hypothesis import strategies as st

from tasks.decision import Decision, DecisionStatus
from tasks.ledger import Entry, Grant, entries_between
from tasks.purchase import Purchase
from tasks.schema import GrantStatus

names = st.sampled_from(["sword", "shield"])
wallets = st.sampled_from(["alice", "bob"])
quantities = st.integers(1, 5)
decisions = st.one_of(
    st.just(Decision()),
    st.builds(
        lambda wallet, item, quantity: Decision(
            DecisionStatus.GRANTED, Purchase(wallet, item, quantity, 500, None)
        ),
        wallets,
        names,
        quantities,
    ),
)
grants = st.builds(
    lambda item, wallet, quantity, status: Grant("pay", item, wallet, quantity, status),
    names,
    wallets,
    quantities,
    st.sampled_from(GrantStatus),
)
holdings = st.lists(grants, max_size=2, unique_by=lambda grant: grant.item).map(
    lambda held: {grant.item: grant for grant in held}
)


def usable(held: dict[str, Grant]) -> dict[tuple[str, str], int]:
    return {(grant.wallet, grant.item): grant.usable for grant in held.values() if grant.usable}


def after(held: dict[str, Grant], entries: list[Entry]) -> dict[str, Grant]:
    return held | {entry.grant.item: entry.grant for entry in entries}


@given(held=holdings, decision=decisions)
def test_the_entries_lead_from_what_is_held_to_what_is_decided(
    held: dict[str, Grant], decision: Decision
) -> None:
    purchase = decision.purchase
    due = {(purchase.wallet, purchase.item): purchase.quantity} if purchase else {}
    assert usable(after(held, entries_between(held, decision, "pay"))) == due


@given(held=holdings, decision=decisions)
def test_the_entries_add_up_to_what_each_wallet_may_use(held: dict[str, Grant], decision: Decision) -> None:
    entries = entries_between(held, decision, "pay")
    balance = dict(usable(held))
    for entry in entries:
        place = (entry.grant.wallet, entry.grant.item)
        balance[place] = balance.get(place, 0) + entry.added
    assert {place: count for place, count in balance.items() if count} == usable(after(held, entries))


@given(held=holdings, decision=decisions)
def test_a_second_run_moves_nothing(held: dict[str, Grant], decision: Decision) -> None:
    settled = after(held, entries_between(held, decision, "pay"))
    assert entries_between(settled, decision, "pay") == []
