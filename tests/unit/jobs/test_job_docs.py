"""The pages about references and about jobs in Python say what the code says, and no more."""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import get_type_hints

import pytest

from lakeflow import jobs
from lakeflow.jobs.python import actions, builder
from lakeflow.jobs.python.collect import collect
from lakeflow.jobs.python.options import JobOptions, TaskOptions
from lakeflow.jobs.settings.conditions import MOST_INPUT_BYTES, MOST_INPUTS, OPERATORS
from lakeflow.jobs.settings.fields import OBJECTS, TASK_TYPES
from lakeflow.jobs.settings.known_references import KNOWN, TIME_ARGUMENTS
from lakeflow.jobs.settings.parameters import LEGACY, MOST_LEGACY_BYTES

DOCS = Path(__file__).parents[3] / "docs"


@pytest.fixture(scope="module")
def references():
    return (DOCS / "references.md").read_text()


@pytest.fixture(scope="module")
def python():
    return (DOCS / "jobs-python.md").read_text()


def rows(page, heading):
    """The cells of the table with this heading."""
    table = re.search(rf"^\| {re.escape(heading)} \|.*\n\|[-|]+\n((?:\|.*\n)+)", page, re.MULTILINE)
    assert table is not None, heading
    return [tuple(line.strip("| ").split(" | ")) for line in table[1].splitlines()]


def test_every_reference_stands_there_with_its_meaning(references):
    new = [(f"`{{{{{k.spelling}}}}}`", k.meaning) for k in KNOWN if not k.old]
    old = [(f"`{{{{{k.spelling}}}}}`", k.meaning) for k in KNOWN if k.old]
    assert rows(references, "Reference") == new
    assert rows(references, "Older spelling") == old
    times = [(f"`{name}`", meaning) for name, (meaning, _) in TIME_ARGUMENTS.items()]
    assert rows(references, "`<time>`") == times


def test_limits_and_words_of_conditions_and_parameters_stand_there(references):
    for word in (*OPERATORS, *LEGACY):
        assert f"`{word}`" in references
    assert f"{MOST_INPUTS:,} items and {MOST_INPUT_BYTES // 1024**2} MiB" in references
    assert f"{MOST_LEGACY_BYTES:,} bytes" in references


def signature(function):
    """As the page writes it: names, and a star before any number of them."""
    stars = {inspect.Parameter.VAR_POSITIONAL: "*", inspect.Parameter.VAR_KEYWORD: "**"}
    parameters = inspect.signature(function).parameters.values()
    names = [stars.get(each.kind, "") + each.name for each in parameters]
    return f"`{function.__name__}({', '.join(names)})`"


def test_every_action_stands_there_as_it_is_called(python):
    public = [getattr(jobs, name) for name in jobs.__all__]
    found = {signature(each) for each in public if each.__module__ == actions.__name__}
    written = rows(python, "Action")
    assert {row[0] for row in written} == found
    assert {row[2].strip("`") for row in written if len(row) > 2} - {""} == set(TASK_TYPES)


def test_every_trigger_stands_there_as_it_is_called(python):
    public = [getattr(jobs, name) for name in jobs.__all__ if name not in ("job", "task")]
    found = {signature(each) for each in public if each.__module__ == builder.__name__}
    assert {row[0] for row in rows(python, "Trigger")} == found


@pytest.mark.parametrize(("of", "options"), [("task", TaskOptions), ("job", JobOptions)])
def test_every_option_stands_there_with_what_the_table_of_fields_says(python, of, options):
    names = get_type_hints(options)
    expected = [(f"`{f.name}`", f.meaning) for f in OBJECTS[of] if f.name in names]
    assert rows(python, f"Option of a {of}") == expected


def test_the_example_declares_a_job_without_errors(python, tmp_path):
    (block,) = re.findall(r"^```python\n(.*?)^```", python, re.MULTILINE | re.DOTALL)
    file = tmp_path / "nightly.py"
    file.write_text(block)
    collected = collect(file)
    assert collected.errors == ()
    (job,) = collected.jobs
    assert [task["task_key"] for task in job.settings["tasks"]] == [
        "load",
        "count",
        "enough",
        "report",
        "alarm",
    ]
