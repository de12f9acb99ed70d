"""TPC-H's 22 queries as materialized views, against what Apache Spark answers to the same texts."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable

from lakeflow.core.settings import Settings
from lakeflow.engine.session import Session

HERE = Path(__file__).parent
QUERIES = sorted(path.stem for path in (HERE / "queries").glob("*.sql"))
TABLES = "region nation part supplier partsupp customer orders lineitem".split()

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tables at scale factor 0.1, and every query as a view over them."""
    folder = tmp_path_factory.mktemp("tpch")
    generator = shutil.which("tpchgen-cli", path=Path(sys.executable).parent)
    if generator is None:
        pytest.skip("service missing: tpchgen-cli (.ci/setup .venv bench)")
    for table in TABLES:
        arguments = ["csv", "-s", "0.1", f"--tables={table}", f"--output-dir=csv/{table}"]
        subprocess.run([generator, *arguments], cwd=folder, check=True, capture_output=True)
    views = [
        f"CREATE OR REFRESH MATERIALIZED VIEW {name} AS\n"
        f"{(HERE / 'queries' / f'{name}.sql').read_text()};\n"
        for name in QUERIES
    ]
    pipeline = folder / "tpch.sql"
    pipeline.write_text((HERE / "tables.sql").read_text() + "".join(views))
    session = Session(Settings.load({}, lakehouse=folder / "lake"))
    result = session.run(pipeline)
    assert result.state == "COMPLETED", [flow.error for flow in result.flows if flow.error]
    return folder / "lake" / "main" / "default"


@pytest.mark.parametrize("name", QUERIES)
def test_a_query_gives_the_rows_of_spark(lake: Path, name: str) -> None:
    answer = pq.read_table(HERE / "answers" / f"{name}.parquet")
    found = DeltaTable(str(lake / name)).to_pyarrow_table()
    assert [(f.name, f.type) for f in found.schema] == [(f.name, f.type) for f in answer.schema]
    assert not any(pa.types.is_floating(f.type) for f in answer.schema), "decimals are exact"
    rows, wanted = Counter(tuples(found)), Counter(tuples(answer))
    assert (rows - wanted, wanted - rows) == (Counter(), Counter())


def test_all_22_are_here() -> None:
    assert [f"q{n:02d}" for n in range(1, 23)] == QUERIES


def tuples(table: pa.Table) -> list[tuple[object, ...]]:
    return [tuple(row.values()) for row in table.to_pylist()]
