"""The names of all variables that the product reads."""

from collections.abc import Iterator

from pydantic import AliasChoices
from pydantic_settings import BaseSettings

from receiver.settings import Settings as ReceiverSettings
from tasks.settings import FlowerSettings


def variables(settings: type[BaseSettings]) -> Iterator[str]:
    """Return the names of what a class of settings reads."""
    for name, field in settings.model_fields.items():
        alias = field.validation_alias
        yield from (
            [str(each) for each in alias.choices] if isinstance(alias, AliasChoices) else [name.upper()]
        )


ALL = sorted({*variables(ReceiverSettings), *variables(FlowerSettings)})
