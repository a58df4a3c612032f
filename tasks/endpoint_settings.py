"""The merchant's own servers, as the environment names them."""

import base64
import binascii
import re
from collections.abc import Mapping
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr

from celeryconfig import split_commas
from tasks.endpoint_address import shown

#: How this machine names itself.
LOOPBACK = {"localhost", "127.0.0.1", "::1"}
#: The endpoint that `NOTIFY_URL` without a name is.
DEFAULT = "default"
_FIELDS = {"NOTIFY_URL": "url", "NOTIFY_SECRET": "secrets"}
_NAME = re.compile(r"(NOTIFY_URL|NOTIFY_SECRET)(?:_([A-Z0-9][A-Z0-9_]*))?")
_PREFIX = "whsec_"
#: Bytes that Standard Webhooks ask of a secret at least.
_STRONG = 24
_MAKE_ONE = (
    "This makes one: "
    "python3 -c \"import base64, os; print('whsec_' + base64.b64encode(os.urandom(32)).decode())\""
)


def _check_url(url: SecretStr) -> SecretStr:
    try:
        parts = urlsplit(url.get_secret_value())
        port_is_known = parts.port is None or parts.port > 0
    except ValueError:
        parts, port_is_known = urlsplit(""), False
    if parts.scheme not in {"https", "http"} or not parts.hostname or not port_is_known:
        raise ValueError("expected https:// with a host")
    from httpx2 import URL, InvalidURL  # noqa: PLC0415  # it takes longer than most commands, and few need it

    try:
        URL(url.get_secret_value())
    except InvalidURL as error:
        raise ValueError(f"expected a URL ({error})") from None
    if parts.username or parts.password or parts.fragment:
        raise ValueError("expected no user, password or fragment; NOTIFY_SECRET proves who sends")
    return url


def _check_secrets(secrets: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
    for secret in secrets:
        if not secret.get_secret_value().startswith(_PREFIX) or not _length(secret):
            raise ValueError(f"expected whsec_ and base64; several, comma-separated. {_MAKE_ONE}")
    return secrets


def _length(secret: SecretStr) -> int:
    """Return how many bytes a secret has; 0 where it is no base64."""
    key = secret.get_secret_value().removeprefix(_PREFIX).rstrip("=")
    try:
        return len(base64.b64decode(key + "=" * (-len(key) % 4), validate=True))
    except binascii.Error:
        return 0


class HttpEndpoint(BaseModel):
    """A server that is told of changes by HTTP."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    url: Annotated[SecretStr, AfterValidator(_check_url)]
    #: Each of them signs: there are several while one is replaced.
    secrets: Annotated[
        tuple[SecretStr, ...],
        BeforeValidator(split_commas),
        Field(min_length=1),
        AfterValidator(_check_secrets),
    ]

    @property
    def is_encrypted(self) -> bool:
        """Whether nobody on the way can read what is sent."""
        return urlsplit(self.url.get_secret_value()).scheme == "https"

    @property
    def is_on_this_machine(self) -> bool:
        """Whether its host is this machine, by its usual names."""
        return urlsplit(self.url.get_secret_value()).hostname in LOOPBACK

    def check_strength(self) -> None:
        """Raise ValueError where a secret can be guessed."""
        if any(_length(secret) < _STRONG for secret in self.secrets):
            raise ValueError(f"its secret has fewer than {_STRONG} bytes. {_MAKE_ONE}")

    @property
    def address(self) -> str:
        """The URL as it is kept and shown."""
        return shown(self.url.get_secret_value())


def written_in(environment: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """Return what variables say of endpoints, by the endpoints' names."""
    said: dict[str, dict[str, str]] = {}
    for variable, value in environment.items():
        if not value or not variable.upper().startswith(tuple(_FIELDS)):
            continue
        found = _NAME.fullmatch(variable.upper())
        if found is None or found[2] == DEFAULT.upper():
            raise ValueError(
                f"{variable} names no endpoint: expected NOTIFY_URL_<NAME> or NOTIFY_SECRET_<NAME>, "
                "of letters, digits and _"
            )
        said.setdefault((found[2] or DEFAULT).lower(), {})[_FIELDS[found[1]]] = value.strip()
    return said


def variable_of(location: tuple[int | str, ...]) -> str:
    """Name the variable that a fault's place in `endpoints` comes from."""
    variables = {field: variable for variable, field in _FIELDS.items()}
    if len(location) < 3:  # noqa: PLR2004  # `endpoints`, a name, a field
        return "NOTIFY_URL"
    name = str(location[1])
    suffix = "" if name == DEFAULT else f"_{name.upper()}"
    return variables[str(location[2])] + suffix
