"""Processes and projects for tests that break things."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.faults.forkserver import ForkServer
from tests.faults.project import WHOLE, Kind, Project


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ForkServer]:
    """One for each worker."""
    found = ForkServer(tmp_path_factory.mktemp("output"))
    yield found
    found.close()


@pytest.fixture
def tally(request: pytest.FixtureRequest) -> Iterator[Counter[str]]:
    """What a test counts; `tests/conftest.py` adds it up at the end."""
    found: Counter[str] = Counter()
    yield found
    request.node.user_properties.append(("faults", dict(found)))


@pytest.fixture
def make(tmp_path: Path, server: ForkServer, tally: Counter[str]) -> Callable[..., Project]:
    """Makes a project of a kind."""

    def make_project(kind: Kind = WHOLE, files: int = 3, **environment: str) -> Project:
        return Project(tmp_path, server, kind, tally, environment).fill(files)

    return make_project


@pytest.fixture
def project(make: Callable[..., Project]) -> Project:
    """The pipeline with every kind of table."""
    return make()
