"""A server in a process of its own, and the client that Databricks ships."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

TOKEN = "0123456789abcdef0123456789abcdef"


@dataclass
class Served:
    """A server at work."""

    process: subprocess.Popen[str]
    address: str
    home: Path
    lakehouse: Path
    token: str = TOKEN

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        self.process.communicate(timeout=30)
        return self.process.returncode


def start(folder: Path, *options: str, token: str | None = TOKEN) -> Served:
    """Runs `lakeflow serve`; returns once it accepts."""
    variables = {k: v for k, v in os.environ.items() if not k.startswith("LAKEFLOW_")}
    if token is not None:
        variables["LAKEFLOW_TOKEN"] = token
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "lakeflow", "serve", "--home", str(folder / "home")),
            *("--lakehouse", str(folder / "lakehouse"), "--port", "0", *options),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=variables,
        cwd=folder,
    )
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("Listening on "):
            address = line.split()[-1]
            return Served(process, address, folder / "home", folder / "lakehouse", token or "")
    _, said = process.communicate()
    raise AssertionError(f"The server did not start: {said}")


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The server of a test file."""
    found = start(tmp_path_factory.mktemp("served"))
    yield found
    if found.process.poll() is None:
        found.stop()
