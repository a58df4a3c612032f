"""What PostgreSQL's errors mean for another try: every class of its appendix A, looked at once.

An error says more by its SQLSTATE than by the driver's exception. Two characters are a class, five a state
that means something else than its class. What is transient blames no event: it passes, or an operator acts.
"""

from collections.abc import Mapping

from tasks.worker.kinds import Decision, Kind

_CODE = "our statement is wrong, or what it does is not what this version thinks; an event may make it so"
_UNUSED = "we use nothing of the kind, so nobody has foreseen what it would mean"
_VALUE = "the value that we write does not fit, so the event may be to blame"
_RELEASE = "the release step has not made it yet, or DATABASE_URL leads elsewhere"
_SESSION = "a pooler or a migration took away what the session had prepared; another session has not"


def _transient(reason: str) -> Decision:
    return Decision(Kind.TRANSIENT, reason)


def _unexpected(reason: str) -> Decision:
    return Decision(Kind.UNEXPECTED, reason)


#: By class or state; the longest beginning of an error's SQLSTATE decides.
SQLSTATES: Mapping[str, Decision] = {
    "02": _unexpected("no error: a statement that found nothing"),
    "03": _unexpected(_UNUSED),
    "08": _transient("the connection failed, or a pooler has none to give"),
    "09": _unexpected(_UNUSED),
    "0A": _unexpected("the server lacks what our statement needs"),
    "0A000": _transient(_SESSION),
    "0B": _unexpected(_UNUSED),
    "0F": _unexpected(_UNUSED),
    "0L": _unexpected(_UNUSED),
    "0P": _transient("the role is missing or may not be taken: an administrator's doing"),
    "0Z": _unexpected(_UNUSED),
    "10": _unexpected(_UNUSED),
    "20": _unexpected(_UNUSED),
    "21": _unexpected(_CODE),
    "22": _unexpected(_VALUE),
    "2200H": _transient("a sequence has come to its end: an administrator can widen it"),
    "23": _unexpected("a constraint or the ledger's guard refuses the row; a race may have made it so"),
    "24": _unexpected(_UNUSED),
    "25": _unexpected(_CODE),
    "25006": _transient("the server is read-only: a standby, or an administrator's doing"),
    "25P03": _transient("the transaction idled too long: its process was stopped or starved"),
    "25P04": _transient("the transaction took too long for the server's limit"),
    "26": _transient(_SESSION),
    "27": _unexpected(_UNUSED),
    "28": _transient("the role or its password is refused: an administrator's doing"),
    "2B": _unexpected(_UNUSED),
    "2D": _unexpected(_UNUSED),
    "2F": _unexpected(_UNUSED),
    "34": _unexpected(_UNUSED),
    "38": _unexpected(_UNUSED),
    "39": _unexpected("a trigger of an administrator's is wrong, or ours is"),
    "3B": _unexpected(_UNUSED),
    "3D": _transient("the database is not there: an administrator's doing"),
    "3F": _transient("the schema is not there: an administrator's doing"),
    "40": _transient("others were in the way: a deadlock or a serialization failure"),
    "42": _unexpected(_CODE),
    "42501": _transient("a right was taken, as hosted plans do with INSERT, or is not given yet"),
    "42703": _transient(_RELEASE),
    "42704": _transient(_RELEASE),
    "42883": _transient(_RELEASE),
    "42P01": _transient(_RELEASE),
    "42P05": _transient(_SESSION),
    "42P10": _transient(_RELEASE),
    "44": _unexpected(_UNUSED),
    "53": _transient("the server has no disk, memory or connections left"),
    "54": _unexpected("a program limit that does not pass: the value is too large"),
    "55": _transient("somebody else holds it, or the server is not ready for it"),
    "55P02": _unexpected(_CODE),
    "55P04": _unexpected(_UNUSED),
    "57": _transient("an administrator, a time limit, a crash or a start of the server"),
    "58": _transient("the server's disk or operating system failed"),
    "72": _transient("the snapshot is too old; the next one is not"),
    "F0": _transient("the server's configuration is broken: an administrator's doing"),
    "HV": _transient("tables that an administrator has put on another server; that one fails"),
    "P0": _unexpected("a trigger raised it: an administrator's, or one of ours"),
    "XX": _unexpected("a defect of the server, which our statement may have met"),
    "XX001": _transient("pages cannot be read: an administrator must restore them"),
    "XX002": _transient("an index cannot be read: an administrator must build it anew"),
}


def decision(sqlstate: str) -> Decision | None:
    """Return what a state means, or None for one of a class that PostgreSQL does not have."""
    return SQLSTATES.get(sqlstate) or SQLSTATES.get(sqlstate[:2])
