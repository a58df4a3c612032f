"""The tasks' part of the environment."""

import os
import ssl
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    AliasChoices,
    BeforeValidator,
    Field,
    FilePath,
    PositiveInt,
    SecretStr,
    ValidationInfo,
    field_validator,
)
from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from celeryconfig import Environment, split_commas
from tasks.coinflow.currencies import CURRENCIES
from tasks.endpoint_settings import HttpEndpoint, variable_of, written_in

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


def _upper(code: object) -> object:
    return code.strip().upper() if isinstance(code, str) else code


def _check_currency(code: str) -> str:
    if code not in CURRENCIES:
        raise ValueError("expected an ISO 4217 code, such as USD or EUR")
    return code


def _check_modules(names: tuple[str, ...]) -> tuple[str, ...]:
    for name in names:
        try:
            found = find_spec(name)
        except (ImportError, ValueError):
            found = None
        if found is None:
            raise ValueError(f"there is no module {name!r}; expected names as in `import`, comma-separated")
    return names


def _check_certificates(path: Path) -> Path:
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(path)
    except OSError:
        raise ValueError("expected a file of certificates in PEM form") from None
    return path


class Settings(Environment):
    """What the tasks read, each name as in the environment."""

    database_url: Annotated[SecretStr, AfterValidator(_check_database_url)] = Field(
        default=SecretStr("sqlite:///var/coinflow.sqlite3"), validate_default=True
    )
    #: A pooler in transaction mode, such as PgBouncer, lies before PostgreSQL.
    database_pooler: bool = False
    catalog_path: Path = Path("catalog.toml")
    #: An ISO 4217 code: of amounts that name no currency.
    default_currency: Annotated[str, BeforeValidator(_upper), AfterValidator(_check_currency)] = "USD"
    #: Events that name another merchant grant nothing; empty accepts any.
    merchant_ids: Annotated[tuple[str, ...], BeforeValidator(split_commas)] = Field(
        default=(), validation_alias=AliasChoices("COINFLOW_MERCHANT_IDS")
    )

    #: Days after which what Coinflow sent of an event goes; None keeps it.
    event_retention_days: Annotated[int, Field(ge=1, le=36_500)] | None = None

    #: The modules of the merchant's own handlers.
    handlers: Annotated[tuple[str, ...], BeforeValidator(split_commas), AfterValidator(_check_modules)] = (
        "tasks.handlers",
    )

    #: A worker's processes. A host that many share has more processors than are ours; and more than a small
    #: one has, because handlers that hang until their time limit must leave some processes to fulfilment.
    worker_concurrency: PositiveInt = 4

    #: The merchant's own servers, by their names; `NOTIFY_URL` and `NOTIFY_SECRET` are those of `default`.
    endpoints: Mapping[str, HttpEndpoint] = Field(
        default={}, validate_default=True, validation_alias=AliasChoices("endpoints")
    )
    #: How many tries may be in flight at each endpoint, over all workers.
    notify_concurrency: PositiveInt = 20
    #: Days from a change's first try after which it is dead.
    notify_give_up_days: Annotated[float, Field(gt=0, le=3650, allow_inf_nan=False)] = 7
    #: Servers may have private addresses.
    notify_allow_private: bool = False
    #: In PEM: authorities that servers' certificates may come from besides the system's.
    notify_ca_file: Annotated[FilePath, AfterValidator(_check_certificates)] | None = None

    @field_validator("endpoints", mode="before")
    @classmethod
    def _read_endpoints(cls, _given: Any) -> Any:
        # A variable ENDPOINTS is somebody else's.
        return written_in(os.environ)

    @field_validator("endpoints")
    @classmethod
    def _check_protection(
        cls, endpoints: Mapping[str, HttpEndpoint], given: ValidationInfo
    ) -> Mapping[str, HttpEndpoint]:
        in_development = given.data.get("environment") == "development"
        for name, endpoint in endpoints.items():
            if not endpoint.is_encrypted and not (in_development and endpoint.is_on_this_machine):
                raise ValueError(
                    f"the endpoint {name!r} needs https://; http:// is for a server on this machine while "
                    "ENVIRONMENT is development"
                )
            if not in_development:
                endpoint.check_strength()
        return endpoints

    @classmethod
    def variable(cls, location: tuple[int | str, ...]) -> str:
        """Name the variable that holds a faulty field."""
        return variable_of(location) if location[0] == "endpoints" else super().variable(location)

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
