"""Tokens of pages, filters and orders: what is ours is read, all else is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakeflow.jobs.rows import RunRow
from lakeflow.server import paging
from lakeflow.server.answers import Refused
from lakeflow.server.job_view import merged, reshaped
from lakeflow.server.pipeline_events import sql_condition
from tests.unit.jobs.scripted import World, script


@given(st.integers(0, 2**63 - 1))
def test_a_token_is_read_again(number):
    assert paging.read(paging.written(start=number), "start") == number


@given(st.text(max_size=30))
def test_other_texts_are_no_tokens(text):
    if text:
        with pytest.raises(Refused, match="was not given by this list"):
            paging.read(text, "start")


def test_a_token_of_another_list_is_none():
    with pytest.raises(Refused):
        paging.read(paging.written(page=1), "start")
    with pytest.raises(Refused):
        paging.read(paging.written(start=-1), "start")


@given(st.lists(st.integers(), max_size=30), st.integers(1, 7))
def test_pages_are_the_whole(values, limit):
    listed = [{"n": each} for each in values]
    found, start = [], 0
    while True:
        page = paging.sliced(listed, "all", start, limit)
        found += page["all"]
        assert ("prev_page_token" in page) is (start > 0)
        if "next_page_token" not in page:
            break
        start = paging.read(page["next_page_token"], "start")
    assert found == listed


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("", "true"),
        ("level='ERROR'", "level = 'ERROR'"),
        ("LEVEL IN ('ERROR','WARN')", "level IN ('ERROR', 'WARN')"),
        (
            "timestamp >= '2026-01-01' and id <> 'x'",
            "timestamp >= CAST('2026-01-01' AS TIMESTAMP) AND id <> 'x'",
        ),
        ("id = 'a\\'", "id = 'a\\\\'"),
    ],
)
def test_filters_of_events(text, wanted):
    assert sql_condition(text) == wanted


@pytest.mark.parametrize(
    "text",
    [
        "1 = 1",
        "level = 'a' OR level = 'b'",
        "level = ('a')",
        "level in 'a'",
        "message = 'x'",
        "level = 'a'; DROP TABLE t",
        "level = 'a' --",
        "timestamp > 'soon'",
        "id = 'x' AND",
    ],
)
def test_what_is_no_filter(text):
    with pytest.raises(Refused):
        sql_condition(text)


def test_an_update_merges_arrays_by_their_keys():
    before = {
        "name": "a",
        "tags": {"x": "1"},
        "tasks": [{"task_key": "a", "n": 1}, {"task_key": "b", "n": 1}],
        "job_clusters": [{"job_cluster_key": "c", "n": 1}],
    }
    new = {
        "tags": {"y": "2"},
        "tasks": [{"task_key": "c", "n": 2}, {"task_key": "a"}],
        "job_clusters": [{"job_cluster_key": "d"}],
    }
    assert merged(before, new, []) == {
        "name": "a",
        "tags": {"y": "2"},
        "tasks": [{"task_key": "a"}, {"task_key": "b", "n": 1}, {"task_key": "c", "n": 2}],
        "job_clusters": [{"job_cluster_key": "c", "n": 1}, {"job_cluster_key": "d"}],
    }
    assert merged(before, {}, ["tags", "tasks/a", "unknown"]) == {
        "name": "a",
        "tasks": [{"task_key": "b", "n": 1}],
        "job_clusters": [{"job_cluster_key": "c", "n": 1}],
    }
    with pytest.raises(Refused, match="the job has no tasks/z"):
        merged(before, {}, ["tasks/z"])


def test_older_shapes_become_one_task():
    old = {"name": "x", "notebook_task": {"notebook_path": "/n"}, "timeout_seconds": 5}
    assert reshaped(old) == {
        "name": "x",
        "timeout_seconds": 5,
        "tasks": [{"task_key": "task", "notebook_task": {"notebook_path": "/n"}}],
    }
    new = {"tasks": [{"task_key": "t"}]}
    assert reshaped(new) == new


def test_a_list_that_grows_and_shrinks_gives_each_row_once(tmp_path):
    """Runs are added and deleted between two pages; those that stay come once, in order."""
    world = World(tmp_path)
    job = world.job({"name": "j", "max_concurrent_runs": 1000, "tasks": [script("a")]})
    runs = [world.run(job) for _ in range(20)]
    found: list[int] = []
    token: str | None = None
    while True:
        start = paging.read(token, "start")
        end, values = paging.window(token, start, "run_id", 3)
        rows = [row.run_id for row in world.store.select(RunRow, f"1 {end}", values)]
        found += rows[:3]
        if len(rows) <= 3:
            break
        token = paging.around(start, 3, rows[2])["next_page_token"]
        world.run(job)
        gone = found[-1]
        with world.store.transaction():
            world.store.delete(RunRow, "run_id = ?", (gone,))
    assert found == sorted(runs, reverse=True)
    world.store.close()
