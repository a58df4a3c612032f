"""The tables. Received, handled and granted are separate facts, each under a unique key of its own."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    String,
    Table,
    Text,
    UniqueConstraint,
    event,
    false,
)

from tasks.payments.states import DecisionStatus, GrantStatus, ResolutionKind
from tasks.store.checks import at_least, one_of
from tasks.store.column_types import Document, Id, Timestamp
from tasks.store.metadata import metadata
from tasks.store.notification_tables import endpoints, notifications
from tasks.store.states import RunState, SetAside
from tasks.store.total_tables import total_marks, totals
from tasks.store.triggers import guard

__all__ = [
    "dead_letter_attempts",
    "dead_letters",
    "endpoints",
    "events",
    "grants",
    "handler_runs",
    "ledger_entries",
    "matches",
    "metadata",
    "notifications",
    "operator_actions",
    "orders",
    "payments",
    "price_lists",
    "resolutions",
    "subscriptions",
    "sweeps",
    "total_marks",
    "totals",
    "wallets",
]

#: What Coinflow sent, once per event however many copies came.
events = Table(
    "events",
    metadata,
    Column("id", Id, primary_key=True),
    Column("key", String(64), nullable=False, unique=True),
    Column("event_type", Text, nullable=False),
    Column("payment_id", Text),
    Column("created", Text, nullable=False),
    Column("received_at", Timestamp, nullable=False),
    Column("body", Text, nullable=False),
    # A `SetAside`, or NULL where the event counts.
    Column("set_aside", String(16)),
    # What the rules read of the event, as JSON, and the version of what extracted it; NULL where nothing has.
    Column("facts", Text),
    Column("facts_version", Integer),
    # The customer that it names, in the form in which names of wallets are compared; NULL: none.
    Column("buyer", Text),
    one_of("set_aside", SetAside),
    Index(None, "payment_id"),
    Index(None, "buyer"),
    Index(None, "event_type", "id"),
    Index(None, "received_at"),
)

#: One row per payment: what its events decide, and the lock under which its ledger moves.
payments = Table(
    "payments",
    metadata,
    Column("id", Text, primary_key=True),
    Column("decision", Text, nullable=False),
    # What the paying event states, NULL until one has come.
    Column("wallet", Text),
    # Who paid, where somebody else gets it.
    Column("payer", Text),
    Column("cents", BigInteger),
    Column("currency", Text),
    Column("refunded_cents", BigInteger, nullable=False, server_default="0"),
    # The `price_lists` row of the last check, or NULL. No foreign key: every grant would mark the newest row.
    Column("price_list_id", BigInteger),
    # What price lists have said of it, as JSON; NULL where a former release alone has decided it.
    Column("verdicts", Text),
    # What a person should look at, as JSON, and when a dispute must be answered; NULL where there is nothing.
    Column("notes", Text),
    Column("respond_by_date", Timestamp),
    # A person has looked at all that has come.
    Column("is_done", Boolean, nullable=False, server_default=false()),
    # The merchant's own id of the order, and when it was paid.
    Column("order_id", Text),
    Column("paid_at", Timestamp),
    # Its newest change's.
    Column("version", BigInteger, nullable=False, server_default="0"),
    Column("updated_at", Timestamp, nullable=False),
    one_of("decision", DecisionStatus),
    at_least(0, "cents"),
    at_least(0, "refunded_cents"),
    Index(None, "decision", "updated_at"),
    Index(None, "updated_at"),
    Index(None, "order_id"),
    Index(None, "payer"),
    Index(None, "wallet"),
)

#: Every list that was accepted for selling, in order; the newest is in force. Rows are only ever added.
price_lists = Table(
    "price_lists",
    metadata,
    Column("id", Id, primary_key=True),
    # SHA-256 of the text, in hexadecimal digits.
    Column("content_hash", String(64), nullable=False),
    Column("text", Text, nullable=False),
    Column("accepted_at", Timestamp, nullable=False),
    # Who did it: a person at a terminal, or a worker.
    Column("accepted_by", Text, nullable=False),
)

#: What an operator says that a payment bought, as the former release reads it; `resolutions` say more.
matches = Table(
    "matches",
    metadata,
    Column("payment_id", Text, ForeignKey("payments.id"), primary_key=True),
    Column("item", Text, nullable=False),
    Column("quantity", BigInteger, nullable=False),
    Column("wallet", Text),
    Column("matched_at", Timestamp, nullable=False),
    at_least(1, "quantity"),
)

#: What the merchant's own function says that payments were for, once each. Rows are only ever added.
orders = Table(
    "orders",
    metadata,
    Column("payment_id", Text, ForeignKey("payments.id"), primary_key=True),
    # Items and quantities, as JSON.
    Column("lines", Text, nullable=False),
    # What they must have cost together.
    Column("cents", BigInteger, nullable=False),
    Column("currency", String(3), nullable=False),
    Column("answered_at", Timestamp, nullable=False),
    at_least(0, "cents"),
)

#: What Coinflow last said of a subscription; each cycle's purchase is a payment of its own.
subscriptions = Table(
    "subscriptions",
    metadata,
    Column("id", Text, primary_key=True),
    Column("state", Text, nullable=False),
    Column("plan_code", Text),
    Column("wallet", Text),
    # Orders the events by the time they state; the last one's word stands.
    Column("position", Text, nullable=False),
    Column("event_id", Id, ForeignKey("events.id"), nullable=False),
    Index(None, "wallet"),
)

#: Whose wallets grants and ledger name. Spellings of one account share a key; a name is erased here alone.
wallets = Table(
    "wallets",
    metadata,
    Column("id", Id, primary_key=True),
    # The form that is compared, and the form that came.
    Column("key", Text, nullable=False),
    Column("name", Text, nullable=False, unique=True),
    Column("created_at", Timestamp, nullable=False),
    Index(None, "key"),
)

#: What a wallet holds. The primary key is the promise: a payment grants an item once.
grants = Table(
    "grants",
    metadata,
    Column("payment_id", Text, ForeignKey("payments.id"), primary_key=True),
    Column("item", Text, primary_key=True),
    # The name, which the former release compares; it goes with a later release.
    Column("wallet", Text, nullable=False),
    # NULL where the former release wrote the name.
    Column("wallet_id", Id, ForeignKey("wallets.id")),
    Column("quantity", BigInteger, nullable=False),
    Column("status", String(16), nullable=False),
    Column("granted_at", Timestamp, nullable=False),
    at_least(1, "quantity"),
    one_of("status", GrantStatus),
    Index(None, "wallet"),
    Index(None, "wallet_id"),
)

#: What operators did. Rows are only ever added; a trigger refuses anything else.
operator_actions = Table(
    "operator_actions",
    metadata,
    Column("id", Id, primary_key=True),
    Column("at", Timestamp, nullable=False),
    Column("who", Text, nullable=False),
    # An `ActionKind`.
    Column("what", String(16), nullable=False),
    # As the operator gave it, or NULL.
    Column("why", Text),
    # What was acted on, by its id.
    Column("subject", Text, nullable=False),
    # What the action changed; NULL where there was nothing. They name nobody, for they stay.
    Column("before", Document),
    Column("after", Document, nullable=False),
    Index(None, "subject"),
)

#: What persons said of payments, in order; each is a part of an operator's action.
resolutions = Table(
    "resolutions",
    metadata,
    Column("id", Id, primary_key=True),
    Column("payment_id", Text, ForeignKey("payments.id"), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("item", Text),
    Column("quantity", BigInteger),
    # It stands here and not in the action, for the action stays for good.
    Column("wallet", Text),
    # The ids of the payment's events that were there when it was said, as JSON.
    Column("known", Text, nullable=False),
    Column("action_id", Id, ForeignKey("operator_actions.id"), nullable=False),
    Column("said_at", Timestamp, nullable=False),
    one_of("kind", ResolutionKind),
    at_least(1, "quantity"),
    Index(None, "payment_id"),
)

#: Every move of a grant, in order, with the event that caused it. Rows are only ever added.
ledger_entries = Table(
    "ledger_entries",
    metadata,
    Column("id", Id, primary_key=True),
    Column("payment_id", Text, ForeignKey("payments.id"), nullable=False),
    Column("item", Text, nullable=False),
    # A name where an earlier release wrote one, otherwise empty; it goes with a later release.
    Column("wallet", Text, nullable=False),
    # What this entry adds to the wallet; the entries of a grant add up to what may be used of it. Both this
    # and `wallet_id` are NULL where the former release wrote the entry.
    Column("delta", BigInteger),
    Column("wallet_id", Id, ForeignKey("wallets.id")),
    # The former release's name for `delta`, written beside it; it goes with a later release.
    Column("quantity", BigInteger, nullable=False),
    # What is left of the grant after this entry, usable or not; NULL where an earlier release wrote it.
    Column("units", BigInteger),
    Column("status", String(16), nullable=False),
    # Which change of the payment it is a part of: 1, 2 and so on. NULL where the former release wrote it,
    # until the payment's next change or a sweep numbers it.
    Column("version", BigInteger),
    Column("event_id", Id, ForeignKey("events.id"), nullable=False),
    # The operator's action that brought it about, where an event alone did not.
    Column("action_id", Id, ForeignKey("operator_actions.id")),
    Column("created_at", Timestamp, nullable=False),
    one_of("status", GrantStatus),
    at_least(1, "units"),
    at_least(1, "version"),
    Index(None, "payment_id", "id"),
)

#: Whether a handler is through with an event.
handler_runs = Table(
    "handler_runs",
    metadata,
    Column("event_id", Id, ForeignKey("events.id"), primary_key=True),
    Column("handler", Text, primary_key=True),
    Column("state", String(16), nullable=False),
    Column("sent_at", Timestamp, nullable=False),
    # When recovery sends it again, unless it is finished then.
    Column("due_at", Timestamp),
    # Runs that began and that nothing has ended yet, neither success nor error.
    Column("starts", Integer, nullable=False, server_default="0"),
    Column("finished_at", Timestamp),
    one_of("state", RunState),
    at_least(0, "starts"),
)

#: When the last sweep of each name began, by the database's clock.
sweeps = Table(
    "sweeps",
    metadata,
    Column("name", Text, primary_key=True),
    Column("began_at", Timestamp, nullable=False),
)

#: What a handler failed at for good, and why.
dead_letters = Table(
    "dead_letters",
    metadata,
    Column("id", Id, primary_key=True),
    Column("event_id", Id, ForeignKey("events.id"), nullable=False),
    Column("handler", Text, nullable=False),
    Column("error", Text, nullable=False),
    Column("message", Text, nullable=False),
    Column("traceback", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("failed_at", Timestamp, nullable=False),
    at_least(1, "attempts"),
    UniqueConstraint("event_id", "handler"),
    Index(None, "failed_at"),
)

#: Every time that a handler gave an event up; a letter's history, gone with it.
dead_letter_attempts = Table(
    "dead_letter_attempts",
    metadata,
    Column("id", Id, primary_key=True),
    Column("event_id", Id, nullable=False),
    Column("handler", Text, nullable=False),
    Column("error", Text, nullable=False),
    Column("message", Text, nullable=False),
    Column("tries", Integer, nullable=False),
    Column("failed_at", Timestamp, nullable=False),
    # Whether it is part of `totals`.
    Column("is_counted", Boolean, nullable=False, server_default=false()),
    at_least(1, "tries"),
    ForeignKeyConstraint(
        ["event_id", "handler"], ["dead_letters.event_id", "dead_letters.handler"], ondelete="CASCADE"
    ),
    Index(None, "event_id", "handler"),
)

event.listen(metadata, "after_create", guard)
