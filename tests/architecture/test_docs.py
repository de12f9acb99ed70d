"""The documents name everything that a user can say, and their links lead somewhere."""

from __future__ import annotations

import dataclasses
import importlib
import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from lakeflow.cli.interrupt import INTERRUPTED
from lakeflow.cli.main import COMMANDS, UNEXPECTED, group
from lakeflow.core.settings import Settings
from lakeflow.jobs.definitions.shapes import BUNDLE, PROJECT, TARGET
from lakeflow.jobs.definitions.variables import KEYS as VARIABLE_KEYS
from lakeflow.jobs.settings.fields import ELSEWHERE, TASK_TYPES
from lakeflow.jobs.timing.triggers import FIELDS
from lakeflow.pipelines.spec import KEYS


def link_targets(document: Path) -> list[str]:
    """Files of the project that a document links to."""
    found = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", document.read_text())
    return [target for target in found if "://" not in target]


def options_of(command: click.Command) -> Iterator[str]:
    if isinstance(command, click.Group) and command is not group:
        context = click.Context(command)
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            assert inner is not None
            yield from options_of(inner)
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            yield from parameter.opts


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_and_option_is_in_the_docs(root, name):
    text = (root / "docs/cli.md").read_text()
    section = re.search(rf"^## lakeflow {name}$(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    assert section is not None, f"docs/cli.md has no section on lakeflow {name}"
    common = set(options_of(group))
    command = importlib.import_module(f"lakeflow.cli.{name}").command
    missing = [
        option
        for option in options_of(command)
        if option not in common and f"`{option}" not in section[1]
    ]
    assert missing == []


def test_every_common_option_and_exit_code_is_in_the_docs(root):
    text = (root / "docs/cli.md").read_text()
    assert [option for option in options_of(group) if f"`{option}" not in text] == []
    for code in (0, 1, 2, UNEXPECTED, INTERRUPTED):
        assert re.search(rf"^\| {code} +\|", text, re.MULTILINE), f"exit code {code} is missing"


def test_no_section_of_the_docs_is_about_a_command_that_does_not_exist(root):
    text = (root / "docs/cli.md").read_text()
    assert set(re.findall(r"^## lakeflow (\w+)$", text, re.MULTILINE)) == set(COMMANDS)


def test_every_setting_is_in_the_docs_with_its_default(root):
    text = (root / "docs/settings.md").read_text()
    rows = dict(re.findall(r"^\| `LAKEFLOW_(\w+)` +\| (.*?) +\|", text, re.MULTILINE))
    fields = {field.name.upper(): field for field in dataclasses.fields(Settings)}
    assert set(rows) == set(fields)
    for name, field in fields.items():
        if field.default:  # zero is a setting's way to say "ask the machine"
            default = field.default
            text = f"{default:g}" if isinstance(default, float) else str(default)
            assert f"`{text}`" in rows[name], name


def test_every_key_of_a_project_file_is_in_the_docs(root):
    text = (root / "docs/project.md").read_text()
    assert sorted(re.findall(r"^\| `(\w+)` \| (?:done|recorded) \|", text, re.MULTILINE)) == sorted(
        KEYS
    )


def test_every_field_of_a_trigger_is_in_the_docs(root):
    text = (root / "docs/triggers.md").read_text()
    fields = {f"{outer}.{name}".lstrip(".") for outer, names in FIELDS.items() for name in names}
    rows = re.findall(r"^\| ((?:`[\w.]+`,? ?)+) \| (?:done|recorded) \|", text, re.MULTILINE)
    assert sorted(name for row in rows for name in re.findall(r"[\w.]+", row)) == sorted(fields)


@pytest.mark.parametrize(
    ("start", "keys"),
    [
        ("## lakeflow.yml", PROJECT["file"]),
        ("## databricks.yml", {*BUNDLE["file"], "targets", "variables"}),
        ("In `bundle`:", BUNDLE["bundle"].keys() - {"target", "environment"}),
        ("### Targets", TARGET),
        ("### Modes and presets", BUNDLE["presets"]),
        ("## Variables", VARIABLE_KEYS),
    ],
)
def test_every_key_of_a_file_that_declares_jobs_is_in_the_docs(root, start, keys):
    text = (root / "docs/job-files.md").read_text()
    table = text[text.index(start) :].partition("\n|")[2].partition("\n\n")[0]
    found = re.findall(r"^\| `(\w+)` \| (?:done|recorded|refused) \|", table, re.MULTILINE)
    assert sorted(found) == sorted(keys)


@pytest.mark.parametrize("kind", TASK_TYPES)
def test_every_field_of_a_task_is_in_the_docs(root, kind):
    """With what becomes of it; a type that only runs elsewhere has no fields here."""
    text = (root / "docs/tasks.md").read_text()
    found = re.search(rf"^## [\w ]*\b{kind}\b.*?$(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    assert found is not None
    table = found[1].partition("| Field |")[2].partition("\n\n")[0]
    rows = re.findall(r"^\| (`.*?`) \| (\w+) \|", table, re.MULTILINE)
    said = {(name, status) for names, status in rows for name in re.findall(r"`(\w+)`", names)}
    assert said == {(field.name, field.status) for field in TASK_TYPES[kind]}


def test_every_type_of_task_that_only_runs_elsewhere_is_in_the_docs(root):
    text = (root / "docs/tasks.md").read_text()
    assert [kind for kind in ELSEWHERE if f"`{kind}`" not in text] == []


def test_every_folder_of_tests_is_in_their_document(root, files):
    text = (root / "tests/README.md").read_text()
    folders = {path.parts[1] for path in files if path.parts[0] == "tests" and len(path.parts) > 2}
    assert set(re.findall(r"^\| `(\w+)/` \|", text, re.MULTILINE)) == folders


def test_links_between_documents_lead_somewhere(root, files):
    dead = []
    for path in files:
        if path.suffix != ".md":
            continue
        dead += [
            f"{path}: {target}"
            for target in link_targets(root / path)
            if not (root / path.parent / target).exists()
        ]
    assert dead == []


def test_every_document_is_reached_from_the_readme(root, files):
    reached: set[Path] = set()
    waiting = [Path("README.md")]
    while waiting:
        path = waiting.pop()
        if path in reached or not (root / path).is_file():
            continue
        reached.add(path)
        waiting += [
            (root / path.parent / target).resolve().relative_to(root)
            for target in link_targets(root / path)
            if target.endswith(".md")
        ]
    documents = {path for path in files if path.suffix == ".md" and path.parts[0] == "docs"}
    assert documents - reached == set()
