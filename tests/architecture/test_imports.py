"""Who may import whom, and what start-up must not load."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = ("deltalake", "duckdb", "polars", "pyarrow", "rich", "sqlglot", "yaml")
"""Libraries that take longer to load than the whole of `lakeflow --help` may."""


def loaded_after(code: str) -> set[str]:
    """The heavy libraries and parts of Lakeflow that are loaded after this code."""
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys\nprint(*sys.modules, file=sys.stderr)"],
        capture_output=True,
        text=True,
        check=True,
    )
    return {
        ".".join(name.split(".")[:2]) if name.startswith("lakeflow.") else name.split(".")[0]
        for name in done.stderr.split()
    }


def test_the_import_contracts_are_kept(root):
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "from importlinter.cli import lint_imports; raise SystemExit(lint_imports())",
        ],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


def test_import_lakeflow_loads_nothing_heavy():
    loaded = loaded_after("import lakeflow")
    assert loaded.isdisjoint(HEAVY)
    assert {name for name in loaded if name.startswith("lakeflow.")} == set()


def test_import_of_the_python_interface_loads_nothing_heavy():
    assert loaded_after("from lakeflow import pipelines").isdisjoint(HEAVY)


@pytest.mark.parametrize("arguments", [["--help"], ["run", "--help"], ["--version"]])
def test_help_loads_nothing_heavy(arguments):
    loaded = loaded_after(
        "from lakeflow.cli.main import run_command\n"
        "from lakeflow.cli.session import open_session\n"
        f"assert run_command({arguments}, open_session) == 0"
    )
    assert loaded.isdisjoint({*HEAVY, "asyncio", "lakeflow.engine", "lakeflow.tables"})


def test_the_fork_server_loads_nothing_that_a_fork_would_break():
    loaded = loaded_after("from lakeflow.jobs.workers import forkserver, worker\nworker.load()")
    assert loaded.isdisjoint({*HEAVY, "asyncio", "psutil", "lakeflow.engine", "lakeflow.tables"})
    assert "lakeflow.jobs" in loaded
