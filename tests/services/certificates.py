"""Certificates for servers of tests, signed by an authority that only the test knows."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import trustme

#: Another address of this machine's, which a certificate for 127.0.0.1 does not name.
OTHER_ADDRESS = "127.0.0.2"


@dataclass(frozen=True)
class Certificates:
    """Files in PEM form."""

    #: The authority's own certificate: what a client must trust.
    authority: Path
    #: The server's, with what leads from it to the authority.
    certificate: Path
    #: The server's private key, which no other user may read.
    key: Path


def certificates(folder: Path, *names: str, until: datetime | None = None) -> Certificates:
    """Make an authority and a server's certificate for `names`, hosts or addresses; `127.0.0.1` by default.

    It is good `until` then; it never expires unless told so.

    Each call makes another authority, which the clients of the others have no reason to trust.
    """
    folder.mkdir(parents=True, exist_ok=True)
    made = Certificates(folder / "authority.pem", folder / "certificate.pem", folder / "key.pem")
    authority = trustme.CA()
    server = authority.issue_cert(*(names or ("127.0.0.1",)), not_after=until)
    authority.cert_pem.write_to_path(str(made.authority))
    for part, blob in enumerate(server.cert_chain_pems):
        blob.write_to_path(str(made.certificate), append=part > 0)
    made.key.touch(mode=0o600)
    server.private_key_pem.write_to_path(str(made.key))
    return made
