"""Notebooks of both formats, and what their authors find in them."""

from __future__ import annotations

import json
import re

import pytest

from lakeflow.jobs.model import Result
from lakeflow.jobs.workers.pool import Workers
from lakeflow.jobs.workers.tasks import cells
from lakeflow.jobs.workers.tasks.context import Given

ENGINE = """
class Table:
    def __init__(self, text): self.text = text
    def show(self): print("rows of", self.text)
    def _repr_html_(self): return f"<b>{self.text}</b>"
class Session:
    def sql(self, text): return Table(text)
def engine(context): return Session()
"""


def source(*parts: str) -> str:
    """A notebook in Databricks' source format."""
    return "# Databricks notebook source\n" + "\n\n# COMMAND ----------\n\n".join(parts) + "\n"


def jupyter(*sources: str) -> str:
    made = [{"cell_type": "code", "source": text.splitlines(True)} for text in sources]
    return json.dumps({"cells": made, "metadata": {}, "nbformat": 4, "nbformat_minor": 5})


MUTE = "class Mute(Exception):\n    def __str__(self):\n        return self.absent\n\nraise Mute"


@pytest.fixture
def notebook(begin, tmp_path):
    """Runs a notebook by its text; `name` says its format."""

    def notebook(text, name="book.py", parameters=None, **fields):
        (tmp_path / name).write_text(text)
        settings = {"notebook_path": name, "base_parameters": parameters or {}}
        return begin("notebook_task", settings, **fields)

    return notebook


def executed(attempt):
    """The executed copy: kind, source and outputs of each cell."""
    (path,) = attempt.assignment.folder.glob("*.ipynb")
    book = json.loads(path.read_text())
    assert (book["nbformat"], book["nbformat_minor"]) == (4, 5)
    assert all(re.fullmatch("[a-zA-Z0-9_-]{1,64}", each["id"]) for each in book["cells"])
    return [
        (each["cell_type"], "".join(each["source"]), each.get("outputs")) for each in book["cells"]
    ]


@pytest.mark.parametrize(("make", "name"), [(source, "book.py"), (jupyter, "book.ipynb")])
def test_cells_share_a_namespace_and_the_copy_keeps_what_they_said(notebook, make, name):
    attempt = notebook(
        make(
            "x = 20\nprint('first')",
            "import sys\nprint('aside', file=sys.stderr)\nx + 1",
            "dbutils.notebook.exit(x * 2)",
            "print('never')",
        ),
        name,
    )
    outcome = attempt.wait()
    assert outcome.result is Result.SUCCESS, outcome
    assert outcome.output["notebook_output"] == {"result": "40", "truncated": False}
    assert (attempt.stdout, attempt.stderr) == ("first\n21\n", "aside\n")
    first, second, third = executed(attempt)
    assert first[2] == [{"output_type": "stream", "name": "stdout", "text": ["first\n"]}]
    assert [(each["name"], each["text"]) for each in second[2]] == [
        ("stdout", ["21\n"]),
        ("stderr", ["aside\n"]),
    ]
    assert third == ("code", "dbutils.notebook.exit(x * 2)", [])


@pytest.mark.parametrize(
    ("make", "name", "line"), [(source, "book.py", 8), (jupyter, "book.ipynb", 3)]
)
def test_a_failed_cell_is_named(notebook, make, name, line):
    attempt = notebook(make("x = 1", "def f():\n    return x\nf() / 0", "print('never')"), name)
    outcome = attempt.wait()
    assert outcome.code == "RUN_EXECUTION_ERROR"
    assert outcome.message == (
        f"ZeroDivisionError: division by zero\n  In the notebook {name}, cell 2, line {line}."
    )
    assert "f() / 0" in outcome.trace
    assert attempt.stdout == ""
    _, failed = executed(attempt)
    assert failed[2][-1]["ename"] == "ZeroDivisionError"


@pytest.mark.parametrize(
    ("make", "name", "line"), [(source, "book.py", 7), (jupyter, "book.ipynb", 2)]
)
def test_a_cell_that_is_no_python_is_named(notebook, make, name, line):
    outcome = notebook(make("x = 1", "x = 2\nx = = 3"), name).wait()
    assert f"In the notebook {name}, cell 2, line {line}." in outcome.message
    assert outcome.message.startswith("SyntaxError: invalid syntax\n")


@pytest.mark.parametrize(
    ("make", "name", "line"), [(source, "book.py", 10), (jupyter, "book.ipynb", 5)]
)
def test_an_error_that_cannot_tell_its_text_is_that_of_its_cell(notebook, make, name, line):
    attempt = notebook(make("x = 1", MUTE), name)
    outcome = attempt.wait()
    assert outcome.message.startswith("Mute: <its text cannot be told")
    assert outcome.message.endswith(f"In the notebook {name}, cell 2, line {line}.")
    _, failed = executed(attempt)
    assert failed[2][-1]["ename"] == "Mute"


def test_a_long_error_is_cut_in_the_copy_too(notebook):
    attempt = notebook(source("raise ValueError('x' * 200_000)"))
    assert attempt.wait().message.endswith("In the notebook book.py, cell 1, line 2.")
    ((_, _, (error,)),) = executed(attempt)
    assert len(error["evalue"]) == 10_000
    assert sum(map(len, error["traceback"])) < 64 << 10
    assert "x" * 200_000 in attempt.stderr


def test_widgets_take_parameters_and_defaults(notebook):
    text = source(
        "dbutils.widgets.text('day', '2000-01-01', 'Day')\n"
        "dbutils.widgets.dropdown('mode', 'full', ['full', 'part'])\n"
        "dbutils.widgets.text('rest', 'default')\n"
        "print(*(dbutils.widgets.get(n) for n in ('day', 'mode', 'rest', 'extra')))\n"
        "print(getArgument('absent', 'other'))"
    )
    attempt = notebook(text, parameters={"day": "task", "mode": "part", "extra": "1"})
    attempt.wait()
    assert attempt.stdout == "task part default 1\nother\n"


def test_a_parameter_of_the_job_beats_one_of_the_task(begin, tmp_path):
    (tmp_path / "book.py").write_text(source("print(dbutils.widgets.get('day'))"))
    settings = {"notebook_path": "book", "base_parameters": {"day": "task"}}
    attempt = begin("notebook_task", settings, parameters={"day": "job"})
    attempt.wait()
    assert attempt.stdout == "job\n"


@pytest.mark.parametrize(
    ("cell", "said"),
    [
        ("dbutils.widgets.get('dya')", "Did you mean 'day'?"),
        ("dbutils.widgets.dropdown('day', 'a', ['a', 'b'])", "none of a, b"),
        ("dbutils.secrets.get('scope', 'key')", "dbutils.secrets is not supported"),
        ("dbutils.fs.mount('a', 'b')", "dbutils.fs.mount is not supported"),
        ("dbutils.fs.ls('dbfs:/x')", "dbutils.fs reads and writes local files"),
        ("dbutils.notebok", "Did you mean 'notebook'?"),
        ("spark.sql('SELECT 1')", "no engine was given"),
        ("@udf\ndef f(x): return x", "There is no udf here"),
        ("sc.parallelize([1])", "There is no sc here"),
        ("# MAGIC %sql SELECT 1", "no engine was given"),
        ("# MAGIC %pip install requests", "task's libraries"),
        ("# MAGIC %scala\n# MAGIC 1", "scala_task"),
        ("# MAGIC %sqll SELECT 1", "Did you mean 'sql'?"),
        ("# MAGIC %run ./absent", "there is no notebook"),
        ("# MAGIC %sh -e false", "exit code 1"),
    ],
)
def test_what_cannot_be_done_is_refused_by_name(notebook, cell, said):
    outcome = notebook(source(cell), parameters={"day": "1"}).wait()
    assert outcome.result is Result.FAILED
    assert said in outcome.message


def test_cells_in_other_languages(begin, tmp_path):
    (tmp_path / "engine_of_test.py").write_text(ENGINE)
    (tmp_path / "other.py").write_text(
        source("y = int(dbutils.widgets.get('given'))", "# MAGIC %md\n# MAGIC # Other")
    )
    (tmp_path / "book.py").write_text(
        source(
            "# MAGIC %md\n# MAGIC # Title",
            "# DBTITLE 1,Numbers\n# MAGIC %sql\n# MAGIC SELECT 1",
            "_sqldf.text",
            '# MAGIC %run ./other $given="5"',
            "print('y is', y)\ndisplayHTML('<i>x</i>')",
            "# MAGIC %sh\n# MAGIC echo from the shell\n# MAGIC false",
            f"# MAGIC %fs head {tmp_path}/text.txt",
            "# MAGIC %matplotlib inline\n"
            "# MAGIC import asyncio\n# MAGIC print(await asyncio.sleep(0, 'late'))",
        )
    )
    (tmp_path / "text.txt").write_text("from a file")
    workers = Workers(given=Given(engine="engine_of_test:engine"))
    try:
        attempt = begin("notebook_task", {"notebook_path": "book"}, by=workers)
        outcome = attempt.wait()
    finally:
        workers.close()
    assert outcome.result is Result.SUCCESS, outcome
    assert attempt.stdout == (
        "rows of SELECT 1\n'SELECT 1'\ny is 5\nfrom the shell\nfrom a file\nlate\n"
    )
    copy = executed(attempt)
    assert copy[0] == ("markdown", "# Title", None)
    assert copy[1][1] == "%sql\nSELECT 1"
    assert copy[1][2][1]["data"] == {"text/html": ["<b>SELECT 1</b>"]}
    assert copy[4][2][1]["data"] == {"text/html": ["<i>x</i>"]}


def test_notebooks_in_sql(begin, tmp_path):
    (tmp_path / "engine_of_test.py").write_text(ENGINE)
    (tmp_path / "book.sql").write_text(
        "-- Databricks notebook source\nSELECT 1\n\n-- COMMAND ----------\n\n"
        "-- MAGIC %python\n-- MAGIC print('python')\n"
    )
    workers = Workers(given=Given(engine="engine_of_test:engine"))
    try:
        attempt = begin("notebook_task", {"notebook_path": "book"}, by=workers)
        assert attempt.wait().result is Result.SUCCESS
    finally:
        workers.close()
    assert attempt.stdout == "rows of SELECT 1\npython\n"


def test_a_notebook_runs_others_also_in_threads(notebook, tmp_path):
    (tmp_path / "child.py").write_text(
        source(
            "dbutils.jobs.taskValues.set(dbutils.widgets.get('n'), 1)\nprint('child')",
            "dbutils.notebook.exit(int(dbutils.widgets.get('n')) ** 2)",
        )
    )
    (tmp_path / "failing.py").write_text(source("1 / 0"))
    (tmp_path / "slow.py").write_text(source("import time; time.sleep(600)"))
    attempt = notebook(
        source(
            "from concurrent.futures import ThreadPoolExecutor\n"
            "with ThreadPoolExecutor() as pool:\n"
            "    run = lambda n: dbutils.notebook.run('./child', 60, {'n': n})\n"
            "    print(*pool.map(run, [2, 3]))",
            "try:\n    dbutils.notebook.run('failing', 0)\n"
            "except RuntimeError as e:\n    print('ZeroDivisionError' in str(e))",
            "try:\n    dbutils.notebook.run('slow', 0.5)\n"
            "except TimeoutError as e:\n    print('late')",
        )
    )
    outcome = attempt.wait()
    assert outcome.result is Result.SUCCESS, outcome
    assert attempt.stdout == "4 9\nTrue\nlate\n"
    assert outcome.values == {"2": 1, "3": 1}


def test_what_a_notebook_leaves_does_not_end_the_one_that_ran_it(notebook, tmp_path):
    (tmp_path / "child.py").write_text(
        source("import os, time\nif os.fork() == 0:\n    time.sleep(600)\n    os._exit(0)")
    )
    attempt = notebook(source("dbutils.notebook.run('child', 0)", "print('after')"))
    assert attempt.wait().result is Result.SUCCESS, attempt.outcomes
    assert attempt.stdout == "''\nafter\n"


def test_a_large_result_is_truncated(notebook):
    outcome = notebook(source("dbutils.notebook.exit('x' * (6 << 20))")).wait()
    assert outcome.output["notebook_output"]["truncated"] is True
    assert len(outcome.output["notebook_output"]["result"]) == 5 << 20


def test_task_values(script):
    values = {"earlier": {"rows": [1, 2], "none": None}}
    attempt = script(
        "v = dbutils.jobs.taskValues\n"
        "print(v.get('earlier', 'rows'), v.get(taskKey='earlier', key='none', debugValue=1))\n"
        "print(v.get('earlier', 'absent', default='d'))\n"
        "v.set('count', {'n': 1})\nv.set(key='text', value='x')\n"
        "print(v.get('this', 'count'))\n"
        "for bad in (object(), float('nan'), 'x' * (48 << 10)):\n"
        "    try:\n        v.set('bad', bad)\n    except ValueError as e:\n        print(e)\n"
        "v.get('earlir', 'rows')",
        values=values,
        names={"task_key": "this"},
    )
    outcome = attempt.wait()
    assert outcome.values == {"count": {"n": 1}, "text": "x"}
    assert outcome.message.startswith(
        "ValueError: The task 'earlir' has set no value 'rows'. Did you mean 'earlier'?"
    )
    lines = attempt.stdout.splitlines()
    assert lines[:3] == ["[1, 2] None", "d", "{'n': 1}"]
    assert [" is nothing JSON can say" in line for line in lines[3:]] == [True, True, False]
    assert "49152 are allowed" in lines[5]


def test_files(script, tmp_path):
    attempt = script(
        "fs = dbutils.fs\n"
        "fs.mkdirs('made/inner')\nfs.put('made/a.txt', 'text')\n"
        "print([(f.name, f.size, f.isDir()) for f in fs.ls('made')])\n"
        "print(fs.head('file:' + __import__('os').getcwd() + '/made/a.txt', 2))\n"
        "fs.cp('made', 'copy', recurse=True)\nfs.mv('copy/a.txt', 'copy/b.txt')\n"
        "fs.rm('made', recurse=True)\n"
        "try:\n    fs.put('copy/b.txt', 'x')\nexcept FileExistsError:\n    print('there')\n"
    )
    assert attempt.wait().result is Result.SUCCESS, attempt.stderr
    assert attempt.stdout == "[('a.txt', 4, False), ('inner/', 0, True)]\nte\nthere\n"
    assert sorted(each.name for each in (tmp_path / "copy").iterdir()) == ["b.txt", "inner"]


def test_the_runtime_that_the_sdk_looks_for(script):
    attempt = script(
        "from dbruntime import UserNamespaceInitializer\n"
        "names = UserNamespaceInitializer.getOrCreate().get_namespace_globals()\n"
        "print(names['dbutils'] is dbutils, sorted(names))"
    )
    attempt.wait()
    expected = "dbutils display displayHTML getArgument sc spark sql sqlContext table udf"
    assert attempt.stdout == f"True {expected.split()}\n"


def test_the_runtime_is_not_there_outside_of_tasks():
    with pytest.raises(ModuleNotFoundError):
        import dbruntime  # noqa: F401


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("book.py", "print(1)", "first line"),
        ("book.ipynb", "{}", "Jupyter's format"),
        ("book.ipynb", "no JSON", "Jupyter's format"),
    ],
)
def test_a_file_that_is_no_notebook_is_refused(notebook, name, text, said):
    outcome = notebook(text, name).wait()
    assert outcome.code == "INVALID_RUN_CONFIGURATION"
    assert said in outcome.message


def test_lines_of_cells_are_those_of_the_file(tmp_path):
    text = source("\n\nfirst = 1", "# DBTITLE 1,Named\n\n# MAGIC %sql\n# MAGIC SELECT", "last")
    path = tmp_path / "book.py"
    path.write_text(text)
    lines = text.splitlines()
    found = cells.read(path).cells
    assert [(each.language, each.title) for each in found] == [
        ("python", ""),
        ("sql", "Named"),
        ("python", ""),
    ]
    for each in found:
        assert each.source in lines[each.line - 1]
