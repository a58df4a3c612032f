"""Merchants' own handlers, good and bad, and the environment that names them."""


def employ(*modules: str) -> dict[str, str]:
    """Return the environment of a stack that uses such modules."""
    return {"HANDLERS": ",".join(modules)}
