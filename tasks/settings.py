"""The tasks' part of the environment."""

from pathlib import Path
from typing import Annotated

from pydantic import (
    AfterValidator,
    AliasChoices,
    BeforeValidator,
    Field,
    SecretStr,
    ValidationInfo,
    field_validator,
)
from pydantic_settings import NoDecode
from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from celeryconfig import Environment, split_commas

_POSTGRES = {"postgres", "postgresql", "postgresql+psycopg"}


def _check_database_url(text: SecretStr) -> SecretStr:
    try:
        url = make_url(text.get_secret_value())
    except ArgumentError:
        url = None
    if url is None or (url.drivername != "sqlite" and url.drivername not in _POSTGRES):
        raise ValueError("expected postgresql://, postgres:// or sqlite:///")
    if url.drivername in _POSTGRES:
        url = url.set(drivername="postgresql+psycopg")
    return SecretStr(url.render_as_string(hide_password=False))


class Settings(Environment):
    """What the tasks read, each name as in the environment."""

    database_url: Annotated[SecretStr, AfterValidator(_check_database_url)] = Field(
        default=SecretStr("sqlite:///var/coinflow.sqlite3"), validate_default=True
    )
    catalog_path: Path = Path("catalog.toml")
    #: Events that name another merchant grant nothing; empty accepts any.
    merchant_ids: Annotated[tuple[str, ...], NoDecode, BeforeValidator(split_commas)] = Field(
        default=(), validation_alias=AliasChoices("COINFLOW_MERCHANT_IDS")
    )

    @field_validator("database_url")
    @classmethod
    def _check_who_sees_it(cls, url: SecretStr, given: ValidationInfo) -> SecretStr:
        shared = not url.get_secret_value().startswith("sqlite")
        if shared or given.data.get("environment") == "development" or given.data.get("allow_embedded"):
            return url
        raise ValueError(
            "SQLite, the default, is a file that no other machine sees; name a PostgreSQL database, or set "
            "ALLOW_EMBEDDED=true if one machine is all there is"
        )
