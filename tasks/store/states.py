"""What a row's state can be, where the state is the store's own; the rules' are in `tasks.payments`."""

from enum import StrEnum


class RunState(StrEnum):
    """How far a handler has come with an event."""

    PENDING = "pending"
    DONE = "done"
    DEAD = "dead"
    #: Given up by an operator.
    DISCARDED = "discarded"


class SetAside(StrEnum):
    """Why an event is stored and otherwise left alone."""

    #: It is another merchant's.
    FOREIGN = "foreign"
    #: Its data does not fit its event type; a dead letter says where.
    INVALID = "invalid"


class ActionKind(StrEnum):
    """What an operator can do."""

    #: Send what a dead letter is of to its handler again.
    REPLAY = "replay"
    #: Give a dead letter up.
    DISCARD = "discard"
    #: Say what a payment bought.
    MATCH = "match"
    #: Say what a payment comes to.
    RESOLVE = "resolve"
    #: Read stored events anew.
    REREAD = "reread"
    #: Put a price list in force.
    APPLY = "apply"
