"""A table that is older than its project allows is told once, and once when it is new again."""

from __future__ import annotations

from datetime import timedelta
from types import SimpleNamespace

import pytest

from lakeflow.catalog.places import place_of
from lakeflow.core.clock import FixedClock
from lakeflow.core.errors import ConfigurationError
from lakeflow.core.names import TableName
from lakeflow.core.settings import Settings
from lakeflow.engine.session import Session
from lakeflow.jobs.definitions.project import load_project
from lakeflow.jobs.freshness import read_age
from lakeflow.jobs.rows import DocumentRow, JobEvent
from lakeflow.server.compose import Server
from lakeflow.server.deploy import deploy
from lakeflow.server.freshness import expect, judge, last_change
from lakeflow.server.metrics import metrics_text
from lakeflow.tables.log import Commit
from lakeflow.tables.store import LocalStore
from lakeflow.tables.table import Decision, Table
from tests.unit.jobs.scripted import World

PIPELINE = """
CREATE STREAMING TABLE orders AS
SELECT * FROM STREAM read_files('drop', format => 'csv', header => true, schema => 'id INT');
"""


@pytest.fixture
def world(tmp_path):
    (tmp_path / "home").mkdir()
    found = World(tmp_path / "home")
    yield found
    found.store.close()


@pytest.fixture
def project(tmp_path, world):
    """Deploys what a lakeflow.yml says of tables."""
    server = SimpleNamespace(
        home=SimpleNamespace(folder=tmp_path), ask=world.ask, scheduler=world.scheduler, user="me"
    )

    def write(*lines):
        text = "name: shop\n" + ("freshness:\n" if lines else "") + "\n".join(lines)
        (tmp_path / "lakeflow.yml").write_text(text)
        return deploy(server, load_project(tmp_path / "lakeflow.yml"))

    return write


def expected(world):
    return {row.value["table"]: row for row in world.store.select(DocumentRow, "1 ORDER BY key")}


def told(world):
    events = world.store.select(JobEvent, "type LIKE 'table.%' ORDER BY sequence")
    return [(event.type, event.message) for event in events]


def look(world, table, written):
    key = expected(world)[table].key
    world.ask(lambda turn: judge(turn, key, written))


def test_it_is_told_once_that_a_table_is_stale_and_once_that_it_is_not(world, project):
    project("  orders: 2h")
    written = world.clock.now()
    for _ in range(120):
        look(world, "main.default.orders", written)
        world.sleep(60)
    assert told(world) == []
    world.sleep(1)
    for _ in range(3):
        look(world, "main.default.orders", written)
    world.crash()
    look(world, "main.default.orders", written)
    (stale,) = told(world)
    assert stale[0] == "table.stale"
    assert stale[1] == (
        "main.default.orders has its last change from 2026-11-01 00:00:00 UTC, and must not be "
        "older than 2h."
    )
    api = SimpleNamespace(
        read=lambda call: call(world.store),
        counted={},
        server=SimpleNamespace(failure=None),
    )
    assert 'lakeflow_table_stale{table="main.default.orders"} 1' in metrics_text(api)
    look(world, "main.default.orders", world.clock.now() - timedelta(minutes=5))
    assert [kind for kind, _ in told(world)] == ["table.stale", "table.fresh"]
    assert 'lakeflow_table_stale{table="main.default.orders"} 0' in metrics_text(api)


def test_a_table_that_is_not_there_is_stale(world, project):
    project("  orders: 2h")
    look(world, "main.default.orders", None)
    (stale,) = told(world)
    assert stale[1] == "main.default.orders is not there, and must not be older than 2h."


def test_a_deployment_changes_what_is_expected(world, project):
    assert project("  orders: 2h", "  silver.lines: 1 day").steps
    look(world, "main.default.orders", None)
    assert {table: row.value["seconds"] for table, row in expected(world).items()} == {
        "main.default.orders": 7200,
        "main.silver.lines": 86400,
    }
    assert project("  orders: 2h", "  silver.lines: 1 day").changes_nothing
    assert expected(world)["main.default.orders"].value["stale"], "told already"
    project("  orders: 3h")
    assert {t: row.value["seconds"] for t, row in expected(world).items()} == {
        "main.default.orders": 10800
    }
    project()
    assert expected(world) == {}


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("orders: soon", "freshness.orders: 'soon' is no age."),
        ("orders: 0h", "freshness.orders: '0h' is no age."),
        ("a.b.c.d: 2h", "freshness.a.b.c.d: A table name has at most three parts"),
        ("orders: [2h]", "is not a text"),
        ("orders: 2h\n  main.default.Orders: 3h", "stands there twice"),
    ],
)
def test_what_is_refused(project, line, said):
    with pytest.raises(ConfigurationError, match=r"lakeflow.yml:3|lakeflow.yml:4") as refused:
        project(f"  {line}")
    assert said in str(refused.value)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90s", 90),
        ("30m", 1800),
        ("5 min", 300),
        ("2 hours", 7200),
        ("1 Day", 86400),
        ("2w", 1209600),
    ],
)
def test_ages(text, seconds):
    assert read_age(text) == seconds


@pytest.mark.parametrize("settings", [{}, {"table": "orders"}, {"table": "a/b", "age": "2h"}])
def test_what_a_client_sends_is_read_again(world, settings):
    with pytest.raises(ConfigurationError, match="freshness"):
        world.ask(lambda turn: expect(turn, "shop", settings))
    assert expected(world) == {}


def test_only_changes_of_rows_count(tmp_path, world):
    settings = Settings.load({}, lakehouse=tmp_path / "lake")
    clock = FixedClock(world.clock.now())
    session = Session(settings, clock)
    (tmp_path / "pipe.sql").write_text(PIPELINE)
    (tmp_path / "drop").mkdir()
    orders = TableName.parse("orders")
    assert last_change(settings, orders) is None

    def drop(name):
        (tmp_path / "drop" / name).write_text("id\n1\n")
        session.run(tmp_path / "pipe.sql")
        return clock.now()

    first = drop("1.csv")
    clock.sleep(3600)
    session.run(tmp_path / "pipe.sql")
    assert last_change(settings, orders) == first
    table = Table(LocalStore(settings.lakehouse), place_of(orders))
    moved = Commit("OPTIMIZE", data_change=False)
    table.commit(lambda _: Decision(moved), clock.now())
    assert last_change(settings, orders) == first
    second = drop("2.csv")
    assert last_change(settings, orders) == second > first


def test_a_server_looks_at_what_a_project_expects(tmp_path):
    settings = Settings.load({}, lakehouse=tmp_path / "lake")
    (tmp_path / "pipe.sql").write_text("CREATE MATERIALIZED VIEW gold AS SELECT 1 AS one;")
    (tmp_path / "lakeflow.yml").write_text("name: shop\nfreshness:\n  gold: 2h\n")
    heard = []

    def listen(event):
        heard.append(event.type)

    with Server(tmp_path / "home", settings, listeners=[listen]) as server:
        deploy(server, load_project(tmp_path / "lakeflow.yml"))
        looking = server._freshness
        looking.look()
        looking.look()
        Session(settings).run(tmp_path / "pipe.sql")
        looking.look()
        looking.look()
        assert [kind for kind in heard if kind.startswith("table.")] == [
            "table.stale",
            "table.fresh",
        ]
