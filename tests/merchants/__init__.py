"""Merchants' own handlers, good and bad, and the environment that names them."""

from pathlib import Path

#: Where `told` notes what it is told of, in the working folder: a change a line.
NOTED = Path("var") / "told.jsonl"
#: The wallet that `told` does not know.
UNKNOWN = "nobody@players.example"


def employ(*modules: str) -> dict[str, str]:
    """Return the environment of a stack that uses such modules."""
    return {"HANDLERS": ",".join(modules)}
