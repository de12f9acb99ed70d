"""`lakeflow.yml`: how it is found, and what it refuses."""

from __future__ import annotations

import pytest

from lakeflow.core.errors import ConfigurationError
from lakeflow.jobs.definitions.project import find_jobs

ALONE = {"USER": "ada"}


def refused(*arguments, **named):
    with pytest.raises(ConfigurationError) as caught:
        find_jobs(*arguments, environment=ALONE, **named)
    return str(caught.value)


def test_a_project_is_found_at_a_file_a_folder_or_above(tmp_path, monkeypatch):
    file = tmp_path / "lakeflow.yml"
    file.write_text("name: shop")
    below = tmp_path / "a/b"
    below.mkdir(parents=True)
    monkeypatch.chdir(below)
    for found in (find_jobs(file), find_jobs(tmp_path), find_jobs()):
        assert (found.name, found.folder) == ("shop", tmp_path)
    (tmp_path / "a/databricks.yml").write_text("bundle: {name: nearer}")
    assert find_jobs().name == "nearer"


def test_where_there_is_no_project(tmp_path, monkeypatch):
    assert f"{tmp_path} holds neither lakeflow.yml nor databricks.yml." in refused(tmp_path)
    assert "is not a file that declares jobs" in refused(tmp_path / "a.py")
    assert "cannot be read" in refused(tmp_path / "lakeflow.yml")
    monkeypatch.chdir(tmp_path)
    assert "nor a folder above it has a lakeflow.yml" in refused()


def test_two_projects_in_one_folder(tmp_path):
    (tmp_path / "lakeflow.yml").write_text("name: a")
    (tmp_path / "databricks.yml").write_text("bundle: {name: b}")
    assert "has two project files, lakeflow.yml and databricks.yml" in refused(tmp_path)
    assert find_jobs(tmp_path / "databricks.yml", environment=ALONE).name == "b"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("jobs: {}", "lakeflow.yml:1: The project has no name."),
        ("name: a\njbos: {}", "lakeflow.yml:2: jbos: jbos is not a known key.\n  Did you mean"),
        ("name: a\nbundle: {}", "lakeflow.yml:2: bundle: bundle is not a known key.\n  Keys are"),
        ("name: a\njobs: []", "lakeflow.yml:2: jobs is not a mapping of keys to values."),
        ("name: a\njobs:\n  j: [1]", "lakeflow.yml:3: jobs.j is not a mapping"),
        (
            "name: a\njobs:\n  j:\n    tasks:\n      - task_key: t\n        retries: 3",
            "lakeflow.yml:6: jobs.j.tasks[0].retries: retries is not a known key.",
        ),
        (
            "name: a\njobs:\n  j:\n    environment_variables:\n      - {variables: {A: 1}}",
            "lakeflow.yml:5: jobs.j.environment_variables[0].variables: variables is not a known",
        ),
        (
            "name: a\njobs:\n  j:\n    environment_variables:\n      - spec: {files: [a]}",
            "lakeflow.yml:5: jobs.j.environment_variables[0].spec.files: files is not a known key.",
        ),
        (
            "name: a\nvariables:\n  x:\n    defualt: 1",
            "lakeflow.yml:4: variables.x.defualt: defualt is not a known key.\n  Did you mean",
        ),
        (
            "name: a\nvariables: {w: {lookup: {warehouse: W}}}",
            "lakeflow.yml:2: Nothing can be looked up",
        ),
        ("name: '${bundle.name}'", "lakeflow.yml:1: ${bundle.name} is not a reference."),
        ("name: '${vra.x}'", "lakeflow.yml:1: ${vra.x} is not a reference.\n  Did you mean 'var'"),
        (
            "name: a\npipelines:\n  p:\n    path: pipline.yml",
            "lakeflow.yml:4: There is no file pipline.yml.\n  Did you mean 'pipeline.yml'?",
        ),
        (
            "name: a\ninclude: [more.yml]\njobs: {j: {}}",
            "more.yml:2: jobs.j is declared in two files.",
        ),
        (
            'name: a\njobs:\n  j: {tags: {next: "${resources.jobs.k.id}"}}',
            "lakeflow.yml:3: ${resources.jobs.k.id} leads nowhere: resources.jobs has no k.",
        ),
    ],
)
def test_what_is_not_known_is_refused_with_its_place(tmp_path, text, said):
    (tmp_path / "lakeflow.yml").write_text(text)
    (tmp_path / "pipeline.yml").write_text("name: p")
    (tmp_path / "more.yml").write_text("jobs:\n  j: {}")
    assert refused(tmp_path).replace(f"{tmp_path}/", "").startswith(said)


def test_it_has_no_targets(tmp_path):
    (tmp_path / "lakeflow.yml").write_text("name: a")
    assert "lakeflow.yml has no targets" in refused(tmp_path, target="dev")


def test_where_a_part_of_a_job_is_written(tmp_path):
    (tmp_path / "lakeflow.yml").write_text(
        "name: a\njobs:\n  j:\n    tasks:\n      - task_key: t\n"
    )
    job = find_jobs(tmp_path, environment=ALONE).jobs["j"]
    assert job.locate("tasks", 0, "task_key").line == 5
    assert job.locate("tasks", 0, "run_if").line == 5
    assert job.locate("schedule").line == 3
