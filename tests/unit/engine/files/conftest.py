"""A pipeline over a folder of files, run as a user runs it."""

from __future__ import annotations

from pathlib import Path

import pytest

from lakeflow.core.errors import DefinitionErrors
from lakeflow.core.settings import Settings
from lakeflow.engine.session import Session


class Drop:
    """A folder that files are put into, and the table `t` that reads it."""

    def __init__(self, folder: Path, **options: str) -> None:
        self.folder = folder
        self.files = folder / "in"
        self.files.mkdir(parents=True, exist_ok=True)
        self.session = Session(Settings.load({}, lakehouse=folder / "lake"))
        self.path = "in"
        self.columns = "*"
        self.mode = "STREAM"
        self.options(**options)

    def options(self, **options: str) -> Drop:
        self.given = options
        return self

    def put(self, name: str, content: str | bytes) -> Path:
        path = self.files / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    def run(self, **chosen):
        """One update; the result of the only flow."""
        said = "".join(
            f", {k} => '{v.replace(chr(39), chr(39) * 2)}'" for k, v in self.given.items()
        )
        source = f"read_files('{self.path}'{said})"
        if self.mode == "STREAM":
            text = f"CREATE STREAMING TABLE t AS\nSELECT {self.columns}\nFROM STREAM {source};\n"
        else:
            text = f"CREATE MATERIALIZED VIEW t AS\nSELECT {self.columns}\nFROM {source};\n"
        self.pipeline = self.folder / "pipeline.sql"
        self.pipeline.write_text(text)
        [result] = self.session.run(self.pipeline, **chosen).flows
        return result

    def taken(self):
        """Runs an update that has to succeed, and the table after it."""
        result = self.run()
        assert result.state in ("COMPLETED", "IDLE"), result.error
        return self.rows()

    def refused(self) -> str:
        """Runs an update that has to fail, and what it says; nothing may be left behind."""
        before = self.left()
        result = self.run()
        assert result.state == "FAILED"
        assert self.left() == before
        assert str(self.pipeline) in str(result.error), "the error names what the user wrote"
        return str(result.error)

    def wrong(self) -> str:
        """Runs an update whose definition has to be wrong, and what it says."""
        with pytest.raises(DefinitionErrors) as raised:
            self.run()
        assert {e.location.file for e in raised.value.errors} == {str(self.pipeline)}
        assert not (self.folder / "lake" / "main" / "default" / "t").exists()
        return str(raised.value)

    def left(self) -> tuple[int, list[str]]:
        """The table's rows and the data files that lie in its folder, committed or not."""
        table = self.folder / "lake" / "main" / "default" / "t"
        files = sorted(p.name for p in table.glob("*.parquet"))
        commits = table / "_delta_log"
        known = len(self.rows()) if any(commits.glob("*.json")) else 0
        return known, files

    def rows(self, columns: str = "*"):
        return self.session.query(f"SELECT {columns} FROM t").read_all().to_pylist()

    def schema(self) -> str:
        return str(self.session.show("t").schema)

    def values(self, *columns: str):
        """The table's rows as tuples, in an order that does not depend on how they were read."""
        found = [tuple(row.get(c) for c in columns) for row in self.rows()]
        return sorted(found, key=repr)


@pytest.fixture
def drop(tmp_path):
    def make(name: str = "p", **options: str) -> Drop:
        return Drop(tmp_path / name, **options)

    return make
