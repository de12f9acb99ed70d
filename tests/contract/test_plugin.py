"""A distribution of somebody else brings a connector, and pipelines read it in any way."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable

from lakeflow.core.failpoints import VARIABLE

PLUGIN = Path(__file__).parent / "plugin"
TOKEN = "a token that nobody may see"
READ = "STREAM read_journal('source', token => '{}', slot => '{}', maxRowsPerTrigger => {})".format
SQL = f"""
CREATE STREAMING TABLE lines AS SELECT * FROM {READ(TOKEN, "shared", 3)};
CREATE STREAMING TABLE numbers AS SELECT n FROM {READ(TOKEN, "shared", 7)};
"""
PYTHON = f"""
from lakeflow import pipelines as dp

@dp.table
def lines():
    return dp.sql("SELECT * FROM {READ(TOKEN, "shared", 3)}")

@dp.table
def numbers():
    return dp.sql("SELECT n FROM {READ(TOKEN, "shared", 7)}")
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """The plugin's distribution, installed beside Lakeflow without any network."""
    target = tmp_path_factory.mktemp("installed")
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps"]
    command += ["--no-build-isolation", "--disable-pip-version-check", "--no-compile"]
    subprocess.run([*command, "--target", str(target), str(PLUGIN)], check=True)
    return target


class Project:
    """A pipeline over a journal, in processes that have the plugin."""

    def __init__(self, folder, installed, name, text):
        self.folder, self.installed = folder, installed
        self.source = folder / "source"
        self.source.mkdir()
        (self.source / "token").write_text(TOKEN)
        self.pipeline = folder / name
        self.pipeline.write_text(text)
        self.written = 0

    def add(self, count):
        with (self.source / "journal.jsonl").open("a") as file:
            for _ in range(count):
                self.written += 1
                file.write(json.dumps({"n": self.written, "said": f"line {self.written}"}) + "\n")

    def run(self, *arguments, failpoint=""):
        environment = {k: v for k, v in os.environ.items() if not k.startswith("LAKEFLOW_")}
        environment |= {"LAKEFLOW_LAKEHOUSE": str(self.folder / "lake"), VARIABLE: failpoint}
        environment["PYTHONPATH"] = str(self.installed)
        done = subprocess.run(
            [sys.executable, "-m", "lakeflow", "run", str(self.pipeline), *arguments],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert TOKEN not in done.stdout + done.stderr
        return done

    def numbers(self, table):
        found = Counter()
        for uri in DeltaTable(str(self.folder / "lake/main/default" / table)).file_uris():
            found.update(pq.read_table(uri, columns=["n"], partitioning=None)["n"].to_pylist())
        return found

    def acknowledged(self):
        slot = self.source / "shared.slot"
        return [int(line) for line in slot.read_text().split()] if slot.exists() else []

    def check(self):
        """Everything is there once, and the slot was never told more than both tables held."""
        done = self.run()
        assert done.returncode == 0, done.stdout + done.stderr
        wanted = Counter(range(1, self.written + 1))
        assert self.numbers("lines") == wanted
        assert self.numbers("numbers") == wanted
        assert self.acknowledged()[-1] == self.written
        assert self.acknowledged() == sorted(self.acknowledged())


@pytest.fixture
def project(tmp_path, installed):
    return Project(tmp_path, installed, "pipe.sql", SQL)


def test_its_author_runs_the_contract_suite(installed, tmp_path):
    command = [sys.executable, "-m", "pytest", "-q", "-n0", "-p", "no:cacheprovider"]
    command += ["-c", os.devnull, "--rootdir", str(tmp_path), str(PLUGIN / "check_journal.py")]
    done = subprocess.run(
        command,
        env=os.environ | {"PYTHONPATH": str(installed), "PYTHONDONTWRITEBYTECODE": "1"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "17 passed" in done.stdout


@pytest.mark.parametrize(("name", "text"), [("pipe.sql", SQL), ("pipe.py", PYTHON)])
def test_a_pipeline_reads_it_exactly_once_through_a_kill(tmp_path, installed, name, text):
    project = Project(tmp_path, installed, name, text)
    project.add(20)
    killed = project.run(failpoint="commit.linked:3:kill")
    assert killed.returncode == -signal.SIGKILL, killed.stdout + killed.stderr
    project.add(5)
    project.check()


def test_no_file_of_the_lakehouse_holds_its_secret(project):
    project.add(3)
    project.check()
    (project.source / "token").write_text("another")
    refused = project.run()
    assert "The token is not that of the journal" in refused.stdout + refused.stderr
    told = [
        path
        for path in (project.folder / "lake").rglob("*")
        if path.is_file() and TOKEN.encode() in path.read_bytes()
    ]
    assert told == []
    assert project.run("--dry-run", "--json").returncode != 0


def test_without_the_plugin_the_nearest_connectors_are_named(project):
    project.installed = project.folder
    refused = project.run()
    assert refused.returncode == 2
    assert "pipe.sql:2" in refused.stderr
    assert "no connector named journal" in refused.stderr


@pytest.mark.faults
@pytest.mark.parametrize("seed", range(25))
def test_kills_at_counted_writes(project, seed):
    """Two flows of one slot: what it forgets, no flow asks for again."""
    import random

    chance = random.Random(seed)
    project.add(12)
    for _ in range(3):
        project.run(failpoint=f"store.write:{chance.randint(1, 45)}:kill")
        project.add(chance.randrange(6))
    project.check()


@pytest.mark.faults
@pytest.mark.parametrize("nth", [1, 2, 3])
@pytest.mark.parametrize("point", ["source.attached", "source.acknowledged", "prepared.synced"])
def test_kills_around_an_acknowledgement(project, point, nth):
    project.add(12)
    project.run(failpoint=f"{point}:{nth}:kill")
    project.add(2)
    project.check()
