"""`lakeflow serve`: jobs, their schedules and the API, until it is stopped."""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import click

from lakeflow.cli.interrupt import Interruption
from lakeflow.cli.options import Invocation, common_options
from lakeflow.core.errors import ConfigurationError


@click.command("serve")
@click.option("--home", metavar="DIR", help="Folder of jobs, runs and what they leave behind.")
@click.option("--host", default="127.0.0.1", metavar="ADDRESS", help="Where to listen.")
@click.option("--port", default=8080, type=click.IntRange(0, 65535), help="0 for a free one.")
@click.option("--tls-cert", type=click.Path(path_type=Path), help="Certificate, for https.")
@click.option("--tls-key", type=click.Path(path_type=Path), help="Key of the certificate.")
@click.option("--allow-host", multiple=True, metavar="NAME", help="Further name of this machine.")
@click.option("--log-calls", is_flag=True, help="Print a line for each call of the API.")
@common_options
def command(
    invocation: Invocation,
    home: str | None,
    host: str,
    port: int,
    tls_cert: Path | None,
    tls_key: Path | None,
    allow_host: tuple[str, ...],
    log_calls: bool,
) -> int:
    """Run jobs and answer Databricks' API, until Ctrl-C."""
    try:
        from lakeflow.server.listen import Address, serve

        import_needed()
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            f"lakeflow serve needs {error.name}, which is not installed.",
            hint="pip install 'lakeflow-open[server]'",
        ) from error
    settings = invocation.settings(home=home)
    _log(as_json=invocation.as_json, calls=log_calls)
    address = Address(host, port, tls_cert, tls_key, tuple(name.lower() for name in allow_host))
    stop = threading.Event()
    told = _teller(as_json=invocation.as_json)
    with Interruption(stop.set, lambda: told("Stopping.", err=True)):
        serve(settings.home, settings, address, told, stop)
    return 0


def _log(*, as_json: bool, calls: bool) -> None:
    """Has the error stream hold the log: what is wrong and, as JSON, what happens to jobs, too."""
    from lakeflow.server.log import EVENTS, JsonLines

    handler = logging.StreamHandler(sys.stderr)
    plain = logging.Formatter("%(asctime)s %(name)s %(message)s")
    handler.setFormatter(JsonLines() if as_json else plain)
    logging.basicConfig(handlers=[handler], level=logging.WARNING)
    EVENTS.setLevel(logging.INFO if as_json else logging.WARNING)
    logging.getLogger("lakeflow.access").setLevel(logging.INFO if calls else logging.WARNING)


def _teller(*, as_json: bool) -> Callable[..., None]:
    if not as_json:
        return click.echo
    from lakeflow.cli.report import json_line

    return lambda line, err=False: click.echo(json_line({"message": line}), err=err)


def import_needed() -> None:
    """Loads what the extra `server` installs.

    Raises:
        ModuleNotFoundError: It is not installed.
    """
    import python_multipart  # noqa: F401
    import starlette  # noqa: F401
    import uvicorn  # noqa: F401
