"""The names of all variables that the product reads."""

from collections.abc import Iterator

from pydantic import AliasChoices

from celeryconfig import Environment
from receiver.settings import Settings as ReceiverSettings
from tasks.serving_settings import FlowerSettings, MetricsSettings

#: What the field `endpoints` is read from.
_ENDPOINTS = ("NOTIFY_URL", "NOTIFY_SECRET", "NOTIFY_URL_<NAME>", "NOTIFY_SECRET_<NAME>")


def variables(settings: type[Environment]) -> Iterator[str]:
    """Return the names of what a class of settings reads."""
    for name, field in settings.model_fields.items():
        alias = field.validation_alias
        if name == "endpoints":
            yield from _ENDPOINTS
        elif isinstance(alias, AliasChoices):
            yield from map(str, alias.choices)
        else:
            yield name.upper()


ALL = sorted({*variables(ReceiverSettings), *variables(FlowerSettings), *variables(MetricsSettings)})
