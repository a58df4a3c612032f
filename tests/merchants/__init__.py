"""Merchants' own handlers, good and bad, and the environment that names them."""


def employ(*modules: str) -> dict[str, str]:
    """Return the environment of a stack that uses such modules."""
    # The command `celery` looks for modules beside itself, not where it is called.
    return {"HANDLERS": ",".join(modules), "PYTHONPATH": "."}
