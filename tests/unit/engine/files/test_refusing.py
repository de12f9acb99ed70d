"""Values where one that does not fit is an error: each is what its text says, or refused."""

from __future__ import annotations

import random

import pytest

from lakeflow.backends.duckdb import DuckDBBackend
from lakeflow.connect.source import FileEntry, FileScan
from lakeflow.core.errors import DataError
from lakeflow.core.location import Location
from lakeflow.core.schema import Schema
from lakeflow.engine.files import FileReads, Reading
from tests.unit.engine.files.test_oracle import CSV_WORDS, LOST, TEXTS, comparable

CLEAN = {
    "BIGINT": ["0", "-17", "9223372036854775807", "-9223372036854775808"],
    "DOUBLE": ["0.5", "-1e3"],
    "DECIMAL(20,4)": ["17", "-0.25", "1234567890123456.7890", "0.0001"],
    "BOOLEAN": ["true", "FALSE"],
    "DATE": ["2024-02-29", "0001-01-01", "9999-12-31"],
    "TIMESTAMP": ["2024-01-02 03:04:05", "1999-12-31T23:59:59.5"],
    "STRING": [" a ", "1"],
}


class Reader:
    """Reads single columns as a session does."""

    def __init__(self, folder) -> None:
        self.folder = folder
        self.backend = DuckDBBackend(
            memory_limit=1 << 30, threads=2, time_zone="UTC", temporary=folder / "spill"
        )

    def read(self, kind: str, texts: list[str]):
        """The values of a file that has the texts in one column, each with its place."""
        path = self.folder / "in.csv"
        quoted = [text.replace('"', '""') for text in texts]
        path.write_text("".join(f'{n},"{text}"\n' for n, text in enumerate(quoted)), newline="")
        schema = f"n INT, v {kind}"
        options = {"format": "csv", "schema": schema, "header": "false", "escape": '"'}
        scan = FileScan((FileEntry(str(path), path.stat().st_size, 0),), "csv", options)
        session = self.backend.session()
        reads = FileReads(Reading(session.connection, self.folder / "scratch", "UTC"))

        def work():
            relation = reads.relation(
                scan,
                Schema.from_ddl(schema),
                Location("pipeline.sql", 1, 1),
                declared=True,
                metadata=False,
                rescued_column=None,
            )
            return session.rows(f"CREATE OR REPLACE TABLE found AS {relation}")

        try:
            reads.run(work)
            return [comparable(v) for _, v in sorted(session.rows("FROM found"))]
        finally:
            session.close()


@pytest.fixture
def reader(tmp_path):
    made = Reader(tmp_path)
    yield made
    made.backend.close()


def texts_near(kind: str) -> list[str]:
    """Texts that the type has, nearly has, or does not have."""
    random_ = random.Random(kind)
    found = list(CSV_WORDS)
    for text in (*CLEAN[kind], *CSV_WORDS):
        for _ in range(3):
            place = random_.randrange(len(text) + 1)
            extra = random_.choice(" \t.-+eExX0195_,/:\x1f\u0661'()*!;?@~aT")
            found.append(text[:place] + extra + text[place + random_.randrange(2) :])
    return list(dict.fromkeys(text for text in found if text))


@pytest.mark.parametrize("kind", CLEAN)
def test_each_value_is_taken_or_refused(reader, kind):
    fitting = [t for t in texts_near(kind) if TEXTS[kind](t) is not LOST]
    fitting += CLEAN[kind]
    wanted = [comparable(TEXTS[kind](text)) for text in fitting]
    assert reader.read(kind, fitting) == wanted
    others = [text for text in texts_near(kind) if TEXTS[kind](text) is LOST]
    for text in others:
        with pytest.raises(DataError, match=f"of the column v is no {kind.split('(')[0]}"):
            reader.read(kind, [*CLEAN[kind], text])
