"""What the processes that answer HTTP read on top: Flower and `metrics`."""

import re
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationInfo, field_validator

from celeryconfig import split_commas
from tasks.endpoint_settings import LOOPBACK
from tasks.settings import Settings


def _check_users(users: SecretStr) -> SecretStr:
    if not all(all(user.partition(":")) for user in users.get_secret_value().split(",")):
        raise ValueError("expected user:password; several, comma-separated")
    return users


def _check_hosts(hosts: tuple[str, ...]) -> tuple[str, ...]:
    if not all(re.fullmatch(r"[\w.-]+|\[[\da-fA-F:.]+\]", host) for host in hosts):
        raise ValueError("expected host names, comma-separated, without scheme and port")
    return tuple(map(str.lower, hosts))


class FlowerSettings(Settings):
    """What Flower reads on top, each name as in the environment."""

    flower_address: str = "127.0.0.1"
    flower_port: Annotated[int, Field(ge=1, le=65_535)] = 5555
    #: The names by which others reach it; this machine's own and `flower_address` go without saying.
    flower_hosts: Annotated[tuple[str, ...], BeforeValidator(split_commas), AfterValidator(_check_hosts)] = ()
    flower_basic_auth: Annotated[SecretStr, AfterValidator(_check_users)] | None = Field(
        default=None, validate_default=True
    )

    @field_validator("flower_basic_auth")
    @classmethod
    def _check_strangers(cls, users: SecretStr | None, given: ValidationInfo) -> SecretStr | None:
        if users is None and given.data.get("flower_address") not in LOOPBACK:
            raise ValueError("set it to user:password, for FLOWER_ADDRESS lets others in")
        return users

    def names(self) -> frozenset[str]:
        """Return what the `Host` of a request may name, in lower case and without the port."""
        own = {*LOOPBACK, self.flower_address.lower()}
        return frozenset({f"[{name}]" if ":" in name else name for name in own} | {*self.flower_hosts})


class MetricsSettings(Settings):
    """What `metrics` reads on top, each name as in the environment."""

    metrics_address: str = "127.0.0.1"
    metrics_port: Annotated[int, Field(ge=1, le=65_535)] = 9464
