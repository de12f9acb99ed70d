"""Other programs as tasks: their output, their exit code, their end when the task is stopped."""

from __future__ import annotations

import contextlib
import shutil
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from lakeflow.core.errors import TaskError
from lakeflow.jobs.workers.tasks.context import Done, Stopped


def find(name: str, how: str) -> str:
    """Where a program lies.

    Args:
        name: The program.
        how: How it is installed.

    Raises:
        TaskError: It is not there.
    """
    if (found := shutil.which(name)) is None:
        raise TaskError(f"The program {name} is not on the PATH.", "DRIVER_ERROR", hint=how)
    return found


def shell() -> str:
    """The shell that runs command lines."""
    return shutil.which("bash") or "/bin/sh"


def flush() -> None:
    """Writes what this process has said, before another one says something."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError, AttributeError):
            stream.flush()


def run(words: Sequence[str], folder: Path, environment: Mapping[str, str] | None = None) -> Done:
    """Runs a program with the streams of this process and waits for its end.

    A request to stop goes to the whole group of processes, so that the program hears it as well;
    this process then only waits.
    """
    import subprocess

    stopped: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, _: stopped.append(number))
    flush()
    try:
        program = subprocess.Popen(words, cwd=folder, env=environment, stdin=subprocess.DEVNULL)
        code = program.wait()
    except OSError as error:
        raise TaskError(f"{words[0]} could not be started: {error}.", "DRIVER_ERROR") from error
    finally:
        signal.signal(signal.SIGTERM, before)
    if stopped:
        raise Stopped
    name = Path(words[0]).name
    if code < 0:
        return Done({}, 128 - code, f"{name} was killed by {signal.Signals(-code).name}.")
    return Done({}, code, f"{name} ended with exit code {code}." if code else "")
