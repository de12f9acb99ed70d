"""The project file: what is taken, and what is refused with its line."""

from __future__ import annotations

import pytest

from lakeflow.core.errors import ConfigurationError
from lakeflow.pipelines.spec import find_project

WHOLE = """\
name: shop
catalog: shop_catalog
schema: sales
configuration:
  first_day: "2024-01-01"
libraries:
  - glob:
      include: tables/**
  - file:
      path: views.sql
storage: file:///tmp/checkpoints
"""


@pytest.fixture
def project(tmp_path):
    (tmp_path / "tables" / "more" / "__pycache__").mkdir(parents=True)
    for name in ("tables/a.sql", "tables/more/b.py", "views.sql", "other.sql", "notes.txt"):
        (tmp_path / name).write_text("")
    (tmp_path / "tables" / "more" / "__pycache__" / "b.py").write_text("")
    return tmp_path


def test_everything_that_a_file_can_say(project):
    (project / "pipeline.yml").write_text(WHOLE)
    for named in (project, project / "pipeline.yml"):
        found = find_project(named)
        assert (found.name, found.catalog, found.schema) == ("shop", "shop_catalog", "sales")
        assert found.configuration == {"first_day": "2024-01-01"}
        names = [file.relative_to(project).as_posix() for file in found.files]
        assert names == ["tables/a.sql", "tables/more/b.py", "views.sql"]


def test_without_a_project_file_a_folder_is_all_its_definition_files(project):
    found = find_project(project)
    assert found.name == project.name
    names = [file.relative_to(project).as_posix() for file in found.files]
    assert names == ["other.sql", "tables/a.sql", "tables/more/b.py", "views.sql"]


@pytest.mark.parametrize(
    ("text", "said", "line"),
    [
        ("nome: x", "nome is not a key", 1),
        ("name: x\nlibraries: tables", "libraries is not a list", 2),
        ("name: x\nlibraries:\n  - glob: {include: gone.sql}", "no file gone.sql", 2),
        ("name: x\nlibraries:\n  - glob: {include: '**/*.sql'}", r"no file \*\*", 2),
        ("name: x\nlibraries:\n  - file: {path: notes.txt}", "not a definition file", 2),
        ("name: x\nlibraries:\n  - notebook: {path: a}", "kind notebook is not supported", 2),
        ("name: x\nlibraries:\n  - tables/**", "names neither", 2),
        ("name: x\nconfiguration:\n  n: 3", "configuration.n in .* is not text", 3),
        ("schema: sales", "does not name the pipeline", None),
        ("- name: x", "not a mapping", None),
        ("name: [", "not valid YAML", 1),
    ],
)
def test_what_is_wrong_is_told_with_its_line(project, text, said, line):
    (project / "pipeline.yml").write_text(text)
    with pytest.raises(ConfigurationError, match=said) as raised:
        find_project(project / "pipeline.yml")
    location = raised.value.location
    assert (location.line if location else None) == line


def test_two_project_files_are_one_too_many(project):
    for name in ("pipeline.yml", "spark-pipeline.yaml"):
        (project / name).write_text("name: x")
    with pytest.raises(ConfigurationError, match="two project files"):
        find_project(project)
