"""What a row's state can be, where the state is the store's own; the rules' are in `tasks.payments`."""

from enum import StrEnum


class RunState(StrEnum):
    """How far a handler has come with an event."""

    PENDING = "pending"
    DONE = "done"
    DEAD = "dead"
    #: Given up by an operator.
    DISCARDED = "discarded"


class NotificationState(StrEnum):
    """How far an endpoint has been told of a change."""

    PENDING = "pending"
    DONE = "done"
    #: Tried for so long that the payment's next change goes out instead.
    DEAD = "dead"
    #: Given up by an operator.
    DISCARDED = "discarded"


#: The states of a notification that is a dead letter.
GIVEN_UP = (NotificationState.DEAD, NotificationState.DISCARDED)


class EndpointState(StrEnum):
    """How much an endpoint is told."""

    OPEN = "open"
    #: It failed again and again: little is tried, and more once that succeeds.
    HELD = "held"
    #: Nothing is tried, until a person says so.
    PAUSED = "paused"


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
    #: Tell an endpoint of a change again.
    RESEND = "resend"
    #: Tell an endpoint nothing for now.
    PAUSE = "pause"
    #: Tell it again.
    RESUME = "resume"
    #: Let go of what Coinflow sent long ago.
    PRUNE = "prune"
    #: Forget a buyer.
    ERASE = "erase"
