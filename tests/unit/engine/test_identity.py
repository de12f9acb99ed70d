"""A table keeps to the pipeline and the flows that write it, wherever their files lie."""

from __future__ import annotations

import shutil

import pytest

from lakeflow.core.errors import DefinitionErrors
from lakeflow.core.settings import Settings
from lakeflow.engine.session import Session

SOURCE = "STREAM read_files('{}', format => 'csv', header => true)"
ALL = "CREATE STREAMING TABLE everything;\n"


def flow(name, folder):
    return (
        f"CREATE FLOW {name} AS INSERT INTO everything BY NAME "
        f"SELECT x FROM {SOURCE.format(folder)};\n"
    )


@pytest.fixture
def project(tmp_path):
    for folder in ("north", "south"):
        (tmp_path / "project" / folder).mkdir(parents=True)
        (tmp_path / "project" / folder / "a.csv").write_text(f"x\n{folder}\n")
    return tmp_path / "project"


@pytest.fixture
def session(tmp_path):
    return Session(Settings.load({}, lakehouse=tmp_path / "lakehouse"))


def run(session, project, text, **options):
    (project / "pipeline.sql").write_text(text)
    return session.run(project / "pipeline.sql", **options)


def rows(session):
    return sorted(
        row["x"] for row in session.query("SELECT x FROM everything").read_all().to_pylist()
    )


def test_a_renamed_flow_is_refused_and_told_how_to_go_on(session, project):
    run(session, project, ALL + flow("first", "north"))
    for ask in (session.plan, session.run):
        (project / "pipeline.sql").write_text(ALL + flow("renamed", "north"))
        with pytest.raises(DefinitionErrors) as raised:
            ask(project / "pipeline.sql")
        (error,) = raised.value.errors
        assert error.location.line == 2
        assert "renamed" in error.message
        assert "first" in error.message
        assert "--full-refresh everything" in error.hint
    assert rows(session) == ["north"]

    result = run(session, project, ALL + flow("renamed", "north"), full_refresh=["everything"])
    assert result.state == "COMPLETED"
    assert rows(session) == ["north"]
    # After the refresh the old flow's progress no longer counts.
    run(session, project, ALL + flow("renamed", "north") + flow("other", "south"))
    assert rows(session) == ["north", "south"]


def test_flows_may_be_added_and_may_go(session, project):
    run(session, project, ALL + flow("first", "north"))
    run(session, project, ALL + flow("first", "north") + flow("second", "south"))
    run(session, project, ALL + flow("second", "south"))
    assert rows(session) == ["north", "south"]


def test_a_clone_of_the_project_elsewhere_goes_on(session, project, tmp_path):
    text = ALL + flow("first", "north")
    run(session, project, text)
    shutil.copytree(project, tmp_path / "elsewhere" / "project")
    shutil.rmtree(project)
    clone = tmp_path / "elsewhere" / "project"
    (clone / "north" / "b.csv").write_text("x\nnew\n")
    run(session, clone, text)
    assert rows(session) == ["new", "north"]


def test_another_pipeline_may_not_write_the_table(session, project):
    run(session, project, ALL + flow("first", "north"))
    (project / "another.sql").write_text(ALL + flow("first", "north"))
    before = sorted((session.settings.lakehouse).rglob("*"))
    for ask in (session.plan, session.run):
        assert sorted((session.settings.lakehouse).rglob("*")) == before, "a plan writes nothing"
        with pytest.raises(DefinitionErrors, match="written by another pipeline"):
            ask(project / "another.sql")
    assert rows(session) == ["north"]


@pytest.mark.parametrize("first", ["view", "table"])
def test_a_table_changes_its_kind_only_in_a_full_refresh(session, project, first):
    table = f"CREATE STREAMING TABLE everything AS SELECT x FROM {SOURCE.format('north')}"
    view = "CREATE MATERIALIZED VIEW everything AS SELECT 'made' AS x"
    before, after = (view, table) if first == "view" else (table, view)
    run(session, project, before)
    with pytest.raises(DefinitionErrors, match="is declared as a"):
        run(session, project, after)
    run(session, project, after, full_refresh=["everything"])
    kind = session.show("everything").kind
    assert kind == ("streaming_table" if first == "view" else "materialized_view")
    assert rows(session) == (["north"] if first == "view" else ["made"])
    result = run(session, project, after)
    assert [found.state for found in result.flows] == ["IDLE"]


def test_other_partition_columns_are_refused_before_a_refresh_is_asked_for(session, project):
    table = "CREATE STREAMING TABLE everything {} AS SELECT x, 1 AS p FROM " + SOURCE
    table = table.replace("{}'", "north'")
    run(session, project, table.format(""))
    for options in ({}, {"full_refresh": ["everything"]}):
        with pytest.raises(DefinitionErrors) as raised:
            run(session, project, table.format("PARTITIONED BY (p)"), **options)
        (error,) = raised.value.errors
        assert error.condition == "CANNOT_UPDATE_PARTITION_COLUMNS"
    (flow,) = run(session, project, table.format("")).flows
    assert flow.state == "IDLE", "nothing asks for a full refresh"
