from hypothesis import given
from hypothesis import strategies as st

from tasks.payments.grants import Entry, Grant, entries_between
from tasks.payments.states import GrantStatus

grants = st.builds(
    lambda item, wallet, quantity, status: Grant("pay", item, wallet, quantity, status),
    st.sampled_from(["sword", "shield"]),
    st.sampled_from(["alice", "bob"]),
    st.integers(1, 5),
    st.sampled_from(GrantStatus),
)
holdings = st.lists(grants, max_size=2, unique_by=lambda grant: grant.item).map(
    lambda held: {grant.item: grant for grant in held}
)


def usable(held: dict[str, Grant]) -> dict[tuple[str, str], int]:
    return {(grant.wallet, grant.item): grant.usable for grant in held.values() if grant.usable}


def after(held: dict[str, Grant], entries: list[Entry]) -> dict[str, Grant]:
    return held | {entry.grant.item: entry.grant for entry in entries}


@given(held=holdings, due=holdings)
def test_the_entries_lead_from_what_is_held_to_what_is_due(
    held: dict[str, Grant], due: dict[str, Grant]
) -> None:
    reached = after(held, entries_between(held, due))
    assert usable(reached) == usable(due)
    assert {item: reached[item] for item in due} == due


@given(held=holdings, due=holdings)
def test_the_entries_add_up_to_what_each_wallet_may_use(
    held: dict[str, Grant], due: dict[str, Grant]
) -> None:
    entries = entries_between(held, due)
    balance = dict(usable(held))
    for entry in entries:
        place = (entry.grant.wallet, entry.grant.item)
        balance[place] = balance.get(place, 0) + entry.delta
    assert {place: count for place, count in balance.items() if count} == usable(after(held, entries))


@given(held=holdings, due=holdings)
def test_a_second_run_moves_nothing(held: dict[str, Grant], due: dict[str, Grant]) -> None:
    settled = after(held, entries_between(held, due))
    assert entries_between(settled, due) == []
