"""Which documented fields a payload was read without, because what was sent there has another type."""

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from tasks.coinflow.fields import Model


def misfits(payload: Model, data: Mapping[str, Any], left_out: Collection[str]) -> tuple[str, ...]:
    """Return their dotted paths in Coinflow's names, in the model's order, whichever they were sent in.

    `left_out` holds their names in the models, without saying in which of them.
    """
    return tuple(_misfits(payload, data, left_out, ""))


def _misfits(model: Model, data: Mapping[str, Any], left_out: Collection[str], prefix: str) -> Iterator[str]:
    for name, field in type(model).model_fields.items():
        alias = field.alias or name
        sent, read = data.get(alias), getattr(model, name)
        if isinstance(read, Model) and isinstance(sent, dict):
            yield from _misfits(read, sent, left_out, f"{prefix}{alias}.")
        elif name in left_out and read is None and sent is not None:
            yield prefix + alias
