"""A small pipeline in Python whose one function each test writes."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from lakeflow.core.settings import Settings
from lakeflow.engine.session import Session

HEAD = """\
from __future__ import annotations
import os
import time
import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
from lakeflow import pipelines as dp

@dp.table
def bronze():
    return dp.sql('''
        SELECT CAST(id AS BIGINT) AS id, CAST(amount AS DOUBLE) AS amount
        FROM STREAM read_files('in', format => 'csv', header => true)''')

"""


@dataclass
class PythonPipeline:
    """`bronze` with columns id and amount, and what a test writes below it."""

    folder: Path
    settings: dict = field(default_factory=dict)

    @property
    def file(self):
        return self.folder / "pipe.py"

    def write(self, body):
        self.file.write_text(HEAD + body)
        return self

    def change(self, text, other):
        self.file.write_text(self.file.read_text().replace(text, other))

    def line(self, text):
        """The number of the first line that has a text."""
        lines = self.file.read_text().splitlines()
        return next(number for number, line in enumerate(lines, 1) if text in line)

    def drop(self, name, *rows):
        (self.folder / "in").mkdir(exist_ok=True)
        lines = "".join(f"{a},{b}\n" for a, b in rows)
        (self.folder / "in" / f"{name}.csv").write_text(f"id,amount\n{lines}")
        return self

    def session(self):
        lakehouse = self.folder / "lakehouse"
        return Session(Settings.load({}, lakehouse=lakehouse, **self.settings))

    def run(self):
        """How each flow ended, by its name."""
        return {flow.name: flow for flow in self.session().run(self.file).flows}

    def plan(self):
        return {flow.name: flow for flow in self.session().plan(self.file).flows}

    def rows(self, table):
        found = self.session().query(f"SELECT * FROM {table}").read_all().to_pylist()
        return sorted(found, key=repr)


@pytest.fixture
def python_pipeline(tmp_path):
    return PythonPipeline(tmp_path)
