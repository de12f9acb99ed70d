"""What a deployment would do, and the state that it leaves."""

from __future__ import annotations

import json
import random
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lakeflow.core.errors import ConfigurationError, CorruptStateError, StateError
from lakeflow.jobs.definitions.declared import Declared, Resource
from lakeflow.jobs.definitions.deploy import (
    Action,
    Deployed,
    State,
    content,
    differences,
    fill,
    make_plan,
    read_state,
    write_state,
)
from tests.faults.journal import Disk


def declared(*resources):
    kinds: dict[str, dict[str, Resource]] = {"jobs": {}, "pipelines": {}}
    for each in resources:
        kinds.setdefault(each.kind, {})[each.key] = each
    jobs, pipelines = kinds.pop("jobs"), kinds.pop("pipelines")
    return Declared("p", Path(), jobs, pipelines, kinds)


def job(key, settings=None, *references, **more):
    return Resource("jobs", key, settings or {}, {}, frozenset(references), **more)


def deployed(plan, state, wanted):
    """The state after a plan has been carried out, step by step."""
    found = dict(state.resources)
    for number, step in enumerate(plan.steps):
        if step.action is Action.DELETE:
            del found[step.name]
            for each in found.values():
                assert step.name not in each.references
        elif step.action is not Action.UNCHANGED:
            resource = wanted.resources[step.name]
            assert all(name in found for name in resource.references if name in wanted.resources), (
                "it speaks of something that is not there yet"
            )
            new = number if step.id is None else step.id
            found[step.name] = Deployed(new, content(resource), resource.references)
    return State(found)


UNHURRIED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

keys = "abcdef"
worlds = st.dictionaries(
    st.sampled_from(keys),
    st.tuples(st.integers(0, 2), st.sets(st.sampled_from(keys), max_size=3)),
)


def world(drawn):
    """Jobs that speak only of those whose key comes before their own."""

    def made(key, n, spoken_of):
        uses = sorted(each for each in spoken_of if each < key and each in drawn)
        return job(key, {"n": n, "uses": uses}, *(("jobs", each) for each in uses))

    return declared(*(made(key, *said) for key, said in drawn.items()))


@UNHURRIED
@given(worlds, worlds)
def test_after_a_plan_is_carried_out_there_is_nothing_to_do(before, after):
    state = deployed(make_plan(State(), world(before)), State(), world(before))
    plan = make_plan(state, world(after))
    state = deployed(plan, state, world(after))
    assert set(state.resources) == set(world(after).resources)
    assert make_plan(state, world(after)).changes_nothing
    assert plan.changes_nothing == (
        {k: v.settings for k, v in world(before).resources.items()}
        == {k: v.settings for k, v in world(after).resources.items()}
    )


values = st.recursive(
    st.integers(0, 2) | st.booleans(),
    lambda below: (
        st.lists(below, max_size=3)
        | st.dictionaries(st.sampled_from(["a", "task_key", "b"]), below, max_size=3)
    ),
)


@UNHURRIED
@given(values, values)
def test_there_are_differences_where_values_differ(old, new):
    assert bool(list(differences(old, new))) == (
        json.dumps(old, sort_keys=True) != json.dumps(new, sort_keys=True)
    )


def test_differences_are_told_by_field():
    old = {
        "name": "a",
        "tasks": [{"task_key": "one", "max_retries": 1}, {"task_key": "two"}],
        "tags": {"x": "1"},
    }
    new = {
        "name": "b",
        "tasks": [{"task_key": "zero"}, {"task_key": "one", "max_retries": 2}],
        "timeout_seconds": 60,
    }
    assert [str(each) for each in differences(old, new)] == [
        "name: a -> b",
        "tasks[one].max_retries: 1 -> 2",
        'tasks[two]: {"task_key": "two"} -> (not set)',
        'tasks[zero]: (not set) -> {"task_key": "zero"}',
        'tags: {"x": "1"} -> (not set)',
        "timeout_seconds: (not set) -> 60",
    ]


def test_tasks_in_another_order_are_a_difference():
    old, new = [[{"task_key": key} for key in order] for order in ("ab", "ba")]
    assert [str(each) for each in differences({"tasks": old}, {"tasks": new})] == [
        'tasks: ["a", "b"] -> ["b", "a"]'
    ]


def test_what_speaks_of_something_new_is_updated():
    wanted = declared(job("a", {}, ("jobs", "b")), job("b"))
    state = State({("jobs", "a"): Deployed(1, {}, frozenset({("jobs", "b")}))})
    create, update = make_plan(state, wanted).steps
    assert (create.action, create.name) == (Action.CREATE, ("jobs", "b"))
    assert (update.action, update.id) == (Action.UPDATE, 1)
    assert str(update.changes[0]) == "${resources.jobs.b.id}: the former id -> a new id"


def test_permissions_are_part_of_what_is_deployed():
    before = declared(job("a", {"name": "x"}))
    state = deployed(make_plan(State(), before), State(), before)
    after = declared(job("a", {"name": "x"}, permissions=[{"level": "CAN_VIEW"}]))
    (step,) = make_plan(state, after).steps
    assert [change.path for change in step.changes] == ["permissions"]


def test_a_circle_is_named():
    wanted = declared(job("a", {}, ("jobs", "b")), job("b", {}, ("jobs", "a")))
    with pytest.raises(ConfigurationError, match=r"jobs\.\w -> jobs\.\w -> jobs\.\w"):
        make_plan(State(), wanted)


def test_what_may_not_be_destroyed_is_kept():
    kept = {"lifecycle": {"prevent_destroy": True}}
    with pytest.raises(ConfigurationError, match="prevent_destroy keeps it"):
        make_plan(State({("jobs", "a"): Deployed(1, kept)}), declared())


def test_what_only_a_deployment_knows_is_filled_in():
    settings = {
        "tasks": [{"job_id": "${resources.jobs.a.id}", "text": "job ${resources.jobs.a.id}!"}],
        "w": "${var.w}",
        "n": 1,
    }
    known = {"resources.jobs.a.id": 7, "var.w": "abc"}
    assert fill(settings, known) == {
        "tasks": [{"job_id": 7, "text": "job 7!"}],
        "w": "abc",
        "n": 1,
    }


texts = st.text('ab\x00\n"\\é\u2028\U0001f600', max_size=4)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | texts,
    lambda below: st.lists(below, max_size=3) | st.dictionaries(texts, below),
)  # fmt: skip
names = st.tuples(st.sampled_from(["jobs", "pipelines"]), texts)
states = st.dictionaries(
    names,
    st.builds(
        Deployed,
        st.integers() | texts,
        st.dictionaries(texts, json_values, max_size=3),
        st.frozensets(names, max_size=2),
    ),
    max_size=3,
).map(State)


@settings(UNHURRIED, max_examples=25)
@given(states)
def test_a_state_is_read_as_it_was_written(state):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "dev/state.json"
        assert read_state(path) == State()
        write_state(path, state)
        assert read_state(path) == state
        assert [each.name for each in path.parent.iterdir()] == ["state.json"]


def test_a_state_of_a_newer_version_is_left_alone(tmp_path):
    path = tmp_path / "state.json"
    path.write_text('{"format": 2, "resources": []}')
    with pytest.raises(StateError, match="written by a newer version, in the format 2"):
        read_state(path)


def test_a_state_cut_off_or_changed_anywhere_is_told(tmp_path):
    path = tmp_path / "state.json"
    write_state(path, State({("jobs", "a"): Deployed(1, {"name": "x"}, frozenset())}))
    whole = path.read_text()
    for length in range(len(whole) - 1):
        path.write_text(whole[:length])
        if length < len(whole.rstrip()):
            with pytest.raises(CorruptStateError):
                read_state(path)
    path.write_text(whole.replace('"name": "x"', '"name": "y"'))
    with pytest.raises(CorruptStateError):
        read_state(path)
    path.write_bytes(b"\xff")
    with pytest.raises(CorruptStateError):
        read_state(path)


def test_a_loss_of_power_leaves_the_former_state_or_the_new_one(recorder, tmp_path):
    folder = tmp_path / "states"
    folder.mkdir()
    recorded = recorder(folder)
    states = [State({("jobs", "a"): Deployed(1, {"n": n})}) for n in range(3)]
    ends = []
    for state in states:
        write_state(folder / "state.json", state)
        ends.append(len(recorded.steps()))
    disk = Disk(recorded.record)
    left = []
    for step, visible in disk.points():
        done = sum(end <= step + 1 for end in ends)
        allowed = [State(), *states][done : done + 2]
        for number, (_, loss) in enumerate(disk.losses(visible, random.Random(step))):
            copy = tmp_path / f"{step}-{number}"
            disk.restore(loss, copy)
            left.append(read_state(copy / "state.json"))
            assert left[-1] in allowed
    assert {len(each.resources) for each in left} == {0, 1}
    assert read_state(folder / "state.json") == states[-1]


def test_a_state_that_cannot_be_written_leaves_nothing_behind(tmp_path):
    path = tmp_path / "state.json"
    with pytest.raises(TypeError):
        write_state(path, State({("jobs", "a"): Deployed(1, {"n": object()})}))
    assert list(tmp_path.iterdir()) == []
