"""A server in a process of its own, and the client that Databricks ships."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from databricks.sdk import WorkspaceClient
from databricks.sdk.service import jobs

TOKEN = "0123456789abcdef0123456789abcdef"


@dataclass
class Served:
    """A server at work."""

    process: subprocess.Popen[str]
    address: str
    home: Path
    lakehouse: Path
    token: str = TOKEN
    said: str = ""

    def stop(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        self.said += "".join(self.process.communicate(timeout=30))
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
    told = ""
    for line in process.stdout:
        told += line
        if line.startswith("Listening on "):
            places = (folder / "home", folder / "lakehouse")
            return Served(process, line.split()[-1], *places, token or "", told)
    _, said = process.communicate()
    raise AssertionError(f"The server did not start: {said}")


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The server of a test file."""
    found = start(tmp_path_factory.mktemp("served"))
    yield found
    if found.process.poll() is None:
        found.stop()


class Client(WorkspaceClient):
    """The client that Databricks ships, which counts what it asks."""

    def __init__(self, served: Served) -> None:
        super().__init__(host=served.address, token=served.token)
        self.served = served
        self.calls = 0
        do = self.api_client.do

        def counted(*given: Any, **named: Any) -> Any:
            self.calls += 1
            return do(*given, **named)

        self.api_client.do = counted

    def ended(self, run_id: int, times: int = 1) -> jobs.Run:
        """The run once it is over, so many times: its events are followed, nobody polls."""
        with closing(self.events(run_id)) as events:
            over = (each for each in events if each["type"] in ("run.ended", "run.skipped"))
            for _ in range(times):
                next(over)
        return self.jobs.get_run(run_id)

    def events(self, run_id: int, after: int = 0) -> Generator[dict[str, Any], None, None]:
        """Events of a run as they happen."""
        address = f"{self.served.address}/api/lakeflow/events?run_id={run_id}&after={after}"
        asked = urllib.request.Request(
            address, headers={"Authorization": f"Bearer {self.served.token}"}
        )
        with urllib.request.urlopen(asked, timeout=60) as answer:
            for line in answer:
                if line.startswith(b"data: "):
                    yield json.loads(line.removeprefix(b"data: "))


@pytest.fixture(scope="module")
def shared(served: Served) -> Client:
    """The client of a test file."""
    return Client(served)


@pytest.fixture
def client(shared: Client, record_property: Callable[[str, object], None]) -> Iterator[Client]:
    """The client; how often it has asked is said after all tests."""
    before = shared.calls
    yield shared
    record_property("sdk_calls", shared.calls - before)
