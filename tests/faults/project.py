"""Pipelines whose rows are known, run in processes that can be killed, stopped and starved."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from deltalake import DeltaTable

from tests.faults.forkserver import Child, ForkServer

Rows = Counter[tuple[Any, ...]]
READ = "STREAM read_files('drop', format => 'csv', header => true, maxFilesPerTrigger => 2)"
OTHER = "STREAM read_files('other', format => 'csv', header => true, maxFilesPerTrigger => 2)"


@dataclass(frozen=True)
class Kind:
    """A pipeline and what its tables must hold.

    Args:
        name: What it is about.
        sql: The pipeline.
        expected: Rows of the source -> table -> its columns and rows.
        upstream: Another pipeline, which runs before it and is not disturbed.
        idle: Whether a run without new data has nothing to write.
        language: `sql` or `py`, of the pipeline.
    """

    name: str
    sql: str
    expected: Callable[[Rows], Mapping[str, tuple[tuple[str, ...], Rows]]]
    upstream: str = ""
    idle: bool = True
    language: str = "sql"


def good(rows: Rows) -> Rows:
    return Counter({row: n for row, n in rows.items() if row[1] > 0})


def by_amount(rows: Rows) -> Rows:
    counted: Counter[int] = Counter()
    for (_, amount), n in rows.items():
        counted[amount] += n
    return Counter(counted.items())


PAIR = ("id", "amount")
BRONZE = f"CREATE STREAMING TABLE bronze AS SELECT * FROM {READ};\n"
QUARANTINE = "CONSTRAINT positive EXPECT (amount > 0) ON VIOLATION QUARANTINE"

WHOLE = Kind(
    "whole",
    BRONZE
    + f"""CREATE STREAMING TABLE silver (
  CONSTRAINT has_id EXPECT (id IS NOT NULL) ON VIOLATION FAIL UPDATE,
  {QUARANTINE}
) AS SELECT id, amount FROM STREAM bronze;
CREATE MATERIALIZED VIEW gold AS SELECT amount, count(*) AS n FROM silver GROUP BY amount;
""",
    lambda rows: {
        "bronze": (PAIR, rows),
        "silver": (PAIR, good(rows)),
        "silver_quarantine": (PAIR, rows - good(rows)),
        "gold": (("amount", "n"), by_amount(good(rows))),
    },
)
APPEND = Kind("append", BRONZE, lambda rows: {"bronze": (PAIR, rows)})
SPLIT = Kind(
    "quarantine",
    f"CREATE STREAMING TABLE split ({QUARANTINE}) AS SELECT * FROM {READ};",
    lambda rows: {
        "split": (PAIR, good(rows)),
        "split_quarantine": (PAIR, rows - good(rows)),
    },
)
VIEW = Kind(
    "view",
    "CREATE MATERIALIZED VIEW gold AS SELECT amount, count(*) AS n FROM bronze GROUP BY amount;",
    lambda rows: {"gold": (("amount", "n"), by_amount(rows))},
    upstream=BRONZE,
)
TWO = Kind(
    "two flows",
    f"""CREATE STREAMING TABLE both ({QUARANTINE});
CREATE FLOW one AS INSERT INTO both BY NAME SELECT * FROM {READ};
CREATE FLOW two AS INSERT INTO both BY NAME SELECT * FROM {OTHER};
""",
    lambda rows: {
        "both": (PAIR, Counter({row: 2 * n for row, n in good(rows).items()})),
        "both_quarantine": (PAIR, Counter({row: 2 * n for row, n in (rows - good(rows)).items()})),
    },
)
KINDS = {kind.name: kind for kind in (WHOLE, APPEND, SPLIT, VIEW, TWO)}


class Broken(AssertionError):
    """A promise is broken."""


@dataclass
class Project:
    """A pipeline in a folder of its own.

    Args:
        folder: The project's folder.
        server: Runs it.
        kind: What it declares.
        tally: Counts kills, and what was lost, doubled and unreadable.
        environment: Settings of every run.
    """

    folder: Path
    server: ForkServer
    kind: Kind = WHOLE
    tally: Counter[str] = field(default_factory=Counter)
    environment: dict[str, str] = field(default_factory=dict)
    rows: Rows = field(default_factory=Counter)
    foreign: dict[str, Rows] = field(default_factory=dict)
    written: int = 0

    def __post_init__(self) -> None:
        for name in ("drop", "other"):
            (self.folder / name).mkdir()
        (self.folder / f"pipe.{self.kind.language}").write_text(self.kind.sql)
        if self.kind.upstream:
            (self.folder / "upstream.sql").write_text(self.kind.upstream)
        self.environment["LAKEFLOW_LAKEHOUSE"] = str(self.folder / "lake")
        self.environment["LAKEFLOW_THREADS"] = "1"

    def fill(self, files: int) -> Project:
        for _ in range(files):
            self.drop()
        return self

    def drop(self) -> None:
        """One file more; a third of its rows violate the expectation."""
        rows = [(self.written * 10 + n, n % 3 - (n % 3 == 0)) for n in range(10)]
        text = "id,amount\n" + "".join(f"{key},{amount}\n" for key, amount in rows)
        for name in ("drop", "other"):
            temporary = self.folder / f"{self.written}.part"
            temporary.write_text(text)
            # An older name than those before: names decide nothing.
            temporary.rename(self.folder / name / f"{100 - self.written:03d}.csv")
        self.rows.update(rows)
        self.written += 1

    def start(self, *arguments: str, failpoint: str = "", **job: Any) -> Child:
        """Starts an update; the pipeline upstream has run before, undisturbed."""
        if self.kind.upstream:
            code, said = self.start_upstream().wait()
            assert code == 0, said
        return self._start(f"pipe.{self.kind.language}", arguments, failpoints=failpoint, **job)

    def start_upstream(self, *arguments: str) -> Child:
        return self._start("upstream.sql", arguments)

    def _start(self, name: str, arguments: tuple[str, ...], **job: Any) -> Child:
        environment = {**self.environment, **job.pop("environment", {})}
        # Whoever finds the lease of another takes it over at once.
        job.setdefault("hurry", environment.get("LAKEFLOW_LEASE") == "expiring")
        path = str(self.folder / name)
        return self.server.start("run", path, *arguments, environment=environment, **job)

    def run(self, *arguments: str, failpoint: str = "", **job: Any) -> tuple[int, str]:
        code, said = self.start(*arguments, failpoint=failpoint, **job).wait()
        self.tally["kills"] += code == -9
        return code, said

    def table(self, name: str) -> Path:
        return self.folder / "lake" / "main" / "default" / name

    def read(self, name: str, columns: tuple[str, ...]) -> Rows:
        """The rows of a table by an independent reader."""
        found: Rows = Counter()
        for uri in DeltaTable(str(self.table(name))).file_uris():
            rows = pq.read_table(uri, columns=list(columns), partitioning=None).to_pylist()
            found.update(tuple(row[column] for column in columns) for row in rows)
        return found

    def check(self) -> None:
        """Nothing lost, nothing doubled, nothing unreadable."""
        for name, (columns, pipeline) in self.kind.expected(self.rows).items():
            wanted = pipeline + self.foreign.get(name, Counter())
            try:
                found = self.read(name, columns)
            except Exception as error:
                self.tally["unreadable"] += 1
                raise Broken(f"{name} is unreadable: {error}") from error
            lost, doubled = wanted - found, found - wanted
            self.tally["lost"] += lost.total()
            self.tally["doubled"] += doubled.total()
            if lost or doubled:
                raise Broken(f"{name}: lost {dict(lost)}, doubled {dict(doubled)}")
            self._check_log(name)

    def _check_log(self, name: str) -> None:
        """Versions without a gap, and each batch of a flow committed once, in order."""
        log = sorted((self.table(name) / "_delta_log").glob("*.json"))
        assert [int(path.stem) for path in log] == list(range(len(log)))
        batches: dict[str, int] = {}
        for path in log:
            for line in path.read_text().splitlines():
                transaction = json.loads(line).get("txn")
                if transaction is None or transaction["appId"].endswith("/attempt"):
                    continue
                before = batches.get(transaction["appId"], 0)
                assert transaction["version"] > before or "/epoch/" in transaction["appId"]
                batches[transaction["appId"]] = transaction["version"]

    def terminal_events(self) -> Counter[str]:
        """How many terminal events each update has in the event log."""
        found: Counter[str] = Counter()
        for uri in DeltaTable(str(self.table("event_log_pipe"))).file_uris():
            for row in pq.read_table(uri, partitioning=None).to_pylist():
                details = json.loads(row["details"]).get(row["event_type"], {})
                ended = details.get("state") in ("COMPLETED", "FAILED", "CANCELED")
                found[row["origin"]["update_id"]] += (
                    row["event_type"] == "update_progress" and ended
                )
        return found

    def finish(self) -> None:
        """The next run finishes what was left, by itself; the one after finds nothing to do."""
        code, said = self.run()
        if code:
            self.tally["unfinished"] += 1
            raise Broken(f"the next run ended with {code}: {said}")
        self.check()
        code, said = self.run()
        assert code == 0, said
        assert "0 rows written" in said
        self.check()
        assert set(self.terminal_events().values()) == {1}
