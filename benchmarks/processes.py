"""A command from its start to its exit: wall time, CPU time and peak memory."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


class CommandFailed(Exception):
    """A measured command did not succeed, so its figures mean nothing."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What one run of a command has cost.

    Args:
        wall: Seconds from start to exit.
        cpu: Seconds of all its threads, in user and system mode.
        peak: MiB of memory at most.
    """

    wall: float
    cpu: float
    peak: float


def measure(
    command: Sequence[str], folder: Path, environment: Mapping[str, str] | None = None
) -> Cost:
    """Runs a command to its end.

    Args:
        command: The program and its arguments.
        folder: Where it runs.
        environment: Variables to set besides those of this process.

    Raises:
        CommandFailed: It ends with another code than 0.
    """
    # Without bytecode Python would compile every module anew at each start.
    left_out = ("LAKEFLOW_", "PYTHONDONTWRITEBYTECODE")
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(left_out)}
    output = folder / "output.txt"
    with output.open("wb") as said:
        began = time.monotonic()
        process = subprocess.Popen(
            command,
            cwd=folder,
            env={**inherited, **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=subprocess.STDOUT,
        )
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.monotonic() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise CommandFailed(
            f"{' '.join(command)} ended with {process.returncode}:\n{output.read_text()[-4000:]}"
        )
    return Cost(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)
