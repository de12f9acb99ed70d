"""Settings: environment variables and command-line options become one frozen value."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Self

from lakeflow.core.errors import ConfigurationError
from lakeflow.core.names import nearest

PREFIX = "LAKEFLOW_"
_NOT_SETTINGS = {"LAKEFLOW_FAILPOINT", "LAKEFLOW_TOKEN"}
SECRETS = frozenset({"LAKEFLOW_SMTP_URL"})
"""Variables that the processes of tasks are not given."""

_UNITS = {"": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "KIB": 2**10, "MIB": 2**20, "GIB": 2**30}
LEAST_MEMORY = 16 * 10**6
"""Bytes with which small files can be read and tables written; with half of it they cannot."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What can be set, each as `LAKEFLOW_<NAME>` in the environment.

    Args:
        lakehouse: Folder of all tables and of the pipelines' state.
        memory_limit: Bytes that a flow may use, such as `2GB`; half of the machine's if unset.
        threads: Threads of the query engine; the machine's cores if unset.
        session_time_zone: Zone in which timestamps without one are read and shown.
        lease: `lock` (ends with the process) or `expiring` (for file systems without locks).
        lease_seconds: How long an expiring lease lasts without being renewed.
        max_concurrent_flows: Flows of an update that run at the same time.
        home: Folder of a server: its jobs, their runs and what those leave behind.
        smtp_url: The mail server for notifications, such as `smtp://user:password@host:587`.
        mail_from: The address that they come from; `lakeflow@` the mail server's host if unset.
    """

    lakehouse: Path = Path("data/lakehouse")
    memory_limit: int = 0
    threads: int = 0
    session_time_zone: str = "UTC"
    lease: str = "lock"
    lease_seconds: float = 30.0
    max_concurrent_flows: int = 2
    home: Path = Path("data/home")
    smtp_url: str = field(default="", repr=False)
    mail_from: str = ""

    @classmethod
    def load(cls, environment: Mapping[str, str] | None = None, **given: Any) -> Self:
        """The settings of the environment, overridden by those given.

        Args:
            environment: Variables; those of this process if omitted.
            given: Settings from elsewhere; None means not given.

        Raises:
            ConfigurationError: A variable is unknown or its value is not valid.
        """
        environment = os.environ if environment is None else environment
        known = {PREFIX + each.name.upper(): each.name for each in fields(cls)}
        values: dict[str, Any] = {}
        for variable, value in environment.items():
            if not variable.startswith(PREFIX) or variable in _NOT_SETTINGS:
                continue
            if variable not in known:
                raise ConfigurationError(
                    f"The environment variable {variable} is not a setting of Lakeflow.",
                    hint=nearest(variable, known) or f"Settings are {', '.join(sorted(known))}.",
                )
            values[known[variable]] = value
        values.update({name: value for name, value in given.items() if value is not None})
        try:
            settings = replace(cls(), **{name: _read(name, v) for name, v in values.items()})
        except ValueError as error:
            raise ConfigurationError(str(error)) from error
        if "memory_limit" in values and settings.memory_limit < LEAST_MEMORY:
            raise ConfigurationError(
                f"memory_limit is at least {LEAST_MEMORY // 10**6}MB, not "
                f"{values['memory_limit']!r}.",
                hint="Write it like 512MB or 2GiB; a number alone counts bytes.",
            )
        if "%" in (lakehouse := str(settings.lakehouse.absolute())):
            raise ConfigurationError(
                f"The lakehouse {lakehouse} has a % in its path, which Delta readers take for "
                "the beginning of another character.",
                hint="Choose a folder without one.",
            )
        if settings.lease not in ("lock", "expiring"):
            raise ConfigurationError(f"lease is 'lock' or 'expiring', not {settings.lease!r}.")
        return settings

    def environment(self) -> dict[str, str]:
        """The variables from which another process loads the same settings, but for secrets."""
        values = {each.name: getattr(self, each.name) for each in fields(self)}
        values |= {"lakehouse": self.lakehouse.absolute(), "home": self.home.absolute()}
        variables = {PREFIX + name.upper(): str(value) for name, value in values.items() if value}
        return {name: value for name, value in variables.items() if name not in SECRETS}

    def effective_memory_limit(self) -> int:
        """Bytes a flow may use, with the machine's half where nothing was set."""
        if self.memory_limit:
            return self.memory_limit
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2

    def effective_threads(self) -> int:
        """Threads of the query engine, with the machine's cores where nothing was set."""
        return self.threads or len(os.sched_getaffinity(0))


def _read(name: str, value: Any) -> Any:
    if not isinstance(value, str):
        return value
    match name:
        case "lakehouse" | "home":
            return Path(value)
        case "memory_limit":
            return read_bytes(value)
        case "threads" | "max_concurrent_flows":
            return _read_number(name, value, int)
        case "lease_seconds":
            return _read_number(name, value, float)
        case "session_time_zone":
            return read_time_zone(value)
        case "smtp_url":
            return _read_mail_server(value)
    return value


def _read_mail_server(text: str) -> str:
    from urllib.parse import urlsplit

    try:
        url = urlsplit(text)
        good = url.scheme in ("smtp", "smtps") and bool(url.hostname) and url.port != 0
    except ValueError:
        good = False
    if text and not good:  # which is not repeated, for it may hold a password
        raise ValueError(
            "smtp_url is not the URL of a mail server; write it like smtp://user:password@host:587."
        )
    return text


def _read_number(name: str, text: str, kind: type[int | float]) -> float:
    what = "a whole number" if kind is int else "a number"
    try:
        number = kind(text)
    except ValueError:
        number = kind(0)
    if not 0 < number < math.inf:
        raise ValueError(f"{name} is {what} above 0, not {text!r}.")
    return number


def read_time_zone(text: str) -> str:
    """Reads the name of a time zone, such as `Europe/Vienna`.

    Raises:
        ValueError: The text names none.
    """
    from zoneinfo import ZoneInfo

    if text in ("UTC", "Etc/UTC", "Z"):
        return "UTC"
    try:
        return ZoneInfo(text).key
    except (KeyError, OSError, ValueError) as error:
        raise ValueError(
            f"{text!r} is not the name of a time zone; write it like UTC or Europe/Vienna."
        ) from error


def read_bytes(text: str) -> int:
    """Reads a size such as `512MB` or `1.5 GiB`.

    Raises:
        ValueError: The text is no size.
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([a-zA-Z]*)", text.strip())
    if match is None or match[2].upper() not in _UNITS:
        raise ValueError(f"{text!r} is not a size; write it like 512MB or 2GiB.")
    return int(float(match[1]) * _UNITS[match[2].upper()])
