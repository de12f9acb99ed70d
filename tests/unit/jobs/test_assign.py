"""What is handed out with an attempt."""

from __future__ import annotations

import pytest

from lakeflow.core.errors import ConfigurationError
from lakeflow.jobs.settings.reading import read_job
from tests.unit.jobs.scripted import World, script


@pytest.fixture
def world(tmp_path):
    found = World(tmp_path)
    yield found
    found.store.close()


def entry(key, **variables):
    return {"environment_variables_key": key, "spec": {"variables": variables}}


def test_a_task_gets_the_variables_that_it_names_and_no_others(world):
    settings = {
        "name": "j",
        "environment_variables": [
            entry("one", A="1"),
            entry("two", A="2", B=3),
            {"spec": {"variables": {"C": "nobody's"}}},
        ],
        "tasks": [script("a", environment_variables_key="two"), script("b")],
    }
    world.run(world.job(settings))
    handed = {each.names["task_key"]: each.environment for each, _ in world.runner.running.values()}
    assert handed == {"a": {"A": "2", "B": "3"}, "b": {}}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ([{"variables": {"A": "1"}}], "environment_variables[0].variables: "),
        ([{"spec": {"variabels": {}}}], "environment_variables[0].spec.variabels: "),
    ],
)
def test_another_shape_is_told(given, said):
    reading = read_job({"name": "j", "environment_variables": given})
    assert [warning.startswith(said) for warning in reading.warnings] == [True]


@pytest.mark.parametrize("given", [{"A": "1"}, [{"spec": {"variables": ["A=1"]}}]])
def test_what_are_no_variables_is_refused(given):
    with pytest.raises(ConfigurationError, match=r"^environment_variables"):
        read_job({"name": "j", "environment_variables": given})
