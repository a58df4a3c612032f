"""The receiver's part of the environment."""

from typing import Annotated

from pydantic import (
    AfterValidator,
    AliasChoices,
    BeforeValidator,
    Field,
    NonNegativeInt,
    PositiveInt,
    SecretStr,
    ValidationInfo,
    field_validator,
)

from celeryconfig import Environment, split_commas

#: The key of `.env.example`, which everybody knows.
EXAMPLE_KEY = "local-development-key"


def _check_path(path: str) -> str:
    if not path.startswith("/") or path in {"/healthz", "/readyz"}:
        raise ValueError("expected a path that starts with / and is neither /healthz nor /readyz")
    return path


def _check_keys(keys: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
    if not keys:
        raise ValueError("expected at least one Webhook Validation Key")
    return keys


class Settings(Environment):
    """What the receiver reads, each name as in the environment but `validation_keys` and `port`."""

    validation_keys: Annotated[
        tuple[SecretStr, ...], BeforeValidator(split_commas), AfterValidator(_check_keys)
    ] = Field(validation_alias=AliasChoices("COINFLOW_VALIDATION_KEY", "COINFLOW_API_KEY"))
    #: Refuse deliveries that carry no valid Coinflow-Signature.
    require_signature: bool = Field(
        default=False, validation_alias=AliasChoices("COINFLOW_REQUIRE_SIGNATURE")
    )
    #: Seconds that a signature stays good; 0 accepts any age.
    signature_tolerance: NonNegativeInt = Field(
        default=129_600, validation_alias=AliasChoices("COINFLOW_SIGNATURE_TOLERANCE")
    )
    webhook_path: Annotated[str, AfterValidator(_check_path)] = "/webhooks/coinflow"
    #: Bytes; a larger body is answered with 413.
    max_body_bytes: PositiveInt = 1_048_576
    port: Annotated[int, Field(ge=1, le=65_535)] = 8000
    #: Receiver processes.
    web_concurrency: PositiveInt = 2

    @field_validator("validation_keys")
    @classmethod
    def _check_secrecy(cls, keys: tuple[SecretStr, ...], given: ValidationInfo) -> tuple[SecretStr, ...]:
        known = EXAMPLE_KEY in (key.get_secret_value() for key in keys)
        if known and given.data.get("environment") != "development":
            raise ValueError("the key of .env.example is public; copy the key of Coinflow's dashboard")
        return keys
