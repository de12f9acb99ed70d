"""Who may ask: a token, the name the server was reached by, and the page the call comes from."""

from __future__ import annotations

import hmac
import ipaddress
import os
import secrets
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from lakeflow.core.errors import ConfigurationError
from lakeflow.server.answers import Refused

OPEN = ("/.well-known/databricks-config", "/health", "/ready")
"""What is answered to anybody."""

SIGNED = "/api/lakeflow/results/"
"""What is answered to whoever has the address, which is signed and holds for minutes."""

ITSELF = frozenset({"localhost", "127.0.0.1", "::1"})
"""Names by which only this machine is meant."""

_SAME = frozenset({"same-origin", "none"})


@dataclass(frozen=True, slots=True)
class Guard:
    """What a call must have to be answered.

    Args:
        token: Known to those who may ask.
        hosts: Names by which the server may be reached; a page elsewhere can give its own name
            our address, but not the other way round.
        scheme: `http` or `https`.
    """

    token: str
    hosts: frozenset[str] = ITSELF
    scheme: str = "http"

    def check(self, path: str, headers: Mapping[str, str]) -> None:
        """Lets a call pass.

        Args:
            path: What is asked.
            headers: Of the call, with names in lower case.

        Raises:
            Refused: It may not be answered.
        """
        host = headers.get("host", "")
        if host_name(host) not in self.hosts:
            raise _forbidden(
                f"This server is not known as {host!r}.", "Name it with --allow-host NAME."
            )
        origin = headers.get("origin")
        if origin is not None and origin.lower() != f"{self.scheme}://{host}".lower():
            raise _forbidden(f"Pages of {origin} may not ask this server.", "")
        if headers.get("sec-fetch-site", "none") not in _SAME:
            raise _forbidden("Pages of other sites may not ask this server.", "")
        if path in OPEN or path.startswith(SIGNED):
            return
        kind, _, given = headers.get("authorization", "").partition(" ")
        same = hmac.compare_digest(given.strip().encode(), self.token.encode())
        if kind.lower() != "bearer" or not same:
            raise Refused(
                401,
                "UNAUTHENTICATED",
                "The call has no valid token.",
                hint="Send the header Authorization: Bearer TOKEN.",
            )


def host_name(host: str) -> str:
    """The name in a Host header, without the port.

    Example:
        >>> host_name("LOCALHOST:8080"), host_name("[::1]:80"), host_name("127.0.0.1")
        ('localhost', '::1', '127.0.0.1')
    """
    if host.startswith("["):
        return host[1:].partition("]")[0].lower()
    return host.partition(":")[0].lower()


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches an address.

    Raises:
        ConfigurationError: There is no such address.
    """
    try:
        found = {str(each[4][0]) for each in socket.getaddrinfo(host, None)}
    except OSError as error:
        raise ConfigurationError(
            f"{host!r} is not an address of this machine: {error.strerror or error}.",
            hint="Give an address such as 127.0.0.1.",
        ) from error
    return all(ipaddress.ip_address(each.partition("%")[0]).is_loopback for each in found)


def token_of(folder: Path, given: str | None) -> tuple[str, Path | None]:
    """The token of a server.

    Args:
        folder: Its home.
        given: What the environment says.

    Returns:
        The token, and the file that holds it, unless it was given. The file is made if there is
        none; only its owner can read it.

    Raises:
        ConfigurationError: It is too short to keep anybody out, or others can read the file.
    """
    if given is not None:
        if len(given) < 16 or not given.isascii() or not given.isprintable() or " " in given:
            raise ConfigurationError(
                "LAKEFLOW_TOKEN has to have at least 16 characters, without spaces.",
                hint="Make one with: openssl rand -hex 32",
            )
        return given, None
    path = folder / "token"
    try:
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        if path.stat().st_mode & 0o077:
            raise ConfigurationError(
                f"Others can read the token in {path}.", hint=f"chmod 600 {path}"
            ) from None
        if found := path.read_text().strip():
            return found, path
        file = os.open(path, os.O_WRONLY)
    made = secrets.token_urlsafe(32)
    with os.fdopen(file, "w") as opened:
        opened.write(f"{made}\n")
        opened.flush()
        os.fsync(opened.fileno())
    return made, path


def _forbidden(message: str, hint: str) -> Refused:
    return Refused(403, "PERMISSION_DENIED", message, hint=hint or None)
