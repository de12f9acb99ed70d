"""A server with its HTTP, from its first breath to its last."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lakeflow.core.errors import ConfigurationError, LakeflowError
from lakeflow.core.settings import Settings

if TYPE_CHECKING:
    import uvicorn

    from lakeflow.server.http import Http

TOKEN = "LAKEFLOW_TOKEN"


@dataclass(frozen=True, slots=True)
class Address:
    """Where a server listens.

    Args:
        host: Its address.
        port: Its port; 0 for any that is free.
        certificate: File of its certificate.
        key: File of the certificate's key.
        names: Further names by which it may be reached.
    """

    host: str = "127.0.0.1"
    port: int = 8080
    certificate: Path | None = None
    key: Path | None = None
    names: tuple[str, ...] = ()

    @property
    def scheme(self) -> str:
        """How it is spoken to."""
        return "https" if self.certificate else "http"


def check_reach(address: Address, token: str | None) -> None:
    """Refuses to be reached from other machines without a token and TLS.

    Raises:
        ConfigurationError: Something is missing for that.
    """
    from lakeflow.server.security import is_loopback

    for name, file in (("--tls-cert", address.certificate), ("--tls-key", address.key)):
        if file is not None and not file.is_file():
            raise ConfigurationError(f"{name}: there is no file {file}.")
    if (address.certificate is None) != (address.key is None):
        raise ConfigurationError("--tls-cert and --tls-key belong together.")
    if is_loopback(address.host):
        return
    lacking = [] if token else [TOKEN]
    lacking += [] if address.certificate else ["--tls-cert and --tls-key"]
    if lacking:
        raise ConfigurationError(
            f"Other machines reach {address.host}, and there is no {' and no '.join(lacking)}.",
            hint="Give them, or listen at 127.0.0.1 and let a reverse proxy speak TLS.",
        )


def serve(
    folder: Path,
    settings: Settings,
    address: Address,
    told: Callable[[str], None],
    stop: threading.Event,
) -> None:
    """Serves until it is told to stop.

    Args:
        folder: The home.
        settings: Of the lakehouse.
        address: Where it listens.
        told: Is told, line by line, what the user has to know.
        stop: Set to end it.

    Raises:
        ConfigurationError: The address cannot be listened at, or not without more care.
        ConflictError: Another server is at work in this home.
        LakeflowError: The scheduler had to stop.
    """
    given = os.environ.pop(TOKEN, None)  # what runs as a task has no business with it
    check_reach(address, given)
    from lakeflow.server.api import Api
    from lakeflow.server.changes import Changes
    from lakeflow.server.compose import Server
    from lakeflow.server.http import Http
    from lakeflow.server.log import log_event
    from lakeflow.server.security import ITSELF, Guard, token_of

    changes = Changes()
    with _bound(address) as listening:
        port = listening.getsockname()[1]
        where = f"{address.scheme}://{_written(address.host)}:{port}"
        listeners = [changes.tell, log_event]
        with Server(folder, settings, address=where, listeners=listeners) as server:
            token, file = token_of(server.home.folder, given)
            guard = Guard(token, ITSELF | _names(address), address.scheme)
            api = Api(server)
            web = _web(Http(api, guard, changes), address)
            # On a thread of its own it leaves the signals to the command line.
            thread = threading.Thread(target=_until, args=(stop, web.run, [listening]), name="http")
            watching = threading.Thread(target=_until, args=(stop, server.wait), daemon=True)
            thread.start()
            watching.start()
            try:
                if file is not None:
                    told(f"The token is in {file}")
                told(f"Listening on {where}")
                stop.wait()
            finally:
                changes.close()
                web.should_exit = True
                api.close()  # calls that wait for statements are answered
                thread.join()
            if server.failure is not None:
                raise LakeflowError(f"The scheduler had to stop: {server.failure}.")


def _web(app: Http, address: Address) -> uvicorn.Server:
    import uvicorn

    settings = uvicorn.Config(
        app,
        lifespan="off",
        access_log=False,
        log_config=None,
        server_header=False,
        timeout_graceful_shutdown=5,
        ssl_certfile=address.certificate,
        ssl_keyfile=address.key,
    )
    try:
        settings.load()
    except OSError as error:  # of the certificate
        raise ConfigurationError(
            f"--tls-cert and --tls-key cannot be used: {error}.",
            hint="Give a certificate and its key, both as PEM.",
        ) from error
    return uvicorn.Server(settings)


def _until(stop: threading.Event, run: Callable[..., object], *given: object) -> None:
    """Runs something without whose work there is no server."""
    try:
        run(*given)
    finally:
        stop.set()


def _bound(address: Address) -> socket.socket:
    """A socket at which connections wait until somebody takes them."""
    try:
        family = socket.getaddrinfo(address.host, address.port)[0][0]
        # Only of a socket that says it is TCP does asyncio send at once what it is given.
        found = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.bind((address.host, address.port))
        found.listen(2048)
    except OSError as error:
        raise ConfigurationError(
            f"{address.host}:{address.port} cannot be listened at: {error.strerror or error}.",
            hint="Choose another --port; 0 takes one that is free.",
        ) from error
    return found


def _written(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _names(address: Address) -> frozenset[str]:
    """Names by which others may reach it."""
    if address.host in ("0.0.0.0", "::"):
        return frozenset({*address.names, socket.gethostname().lower()})
    return frozenset({*address.names, address.host.lower()})
