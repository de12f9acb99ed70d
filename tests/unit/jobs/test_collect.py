"""Files of jobs are run as they stand, again after an edit, and told what is wrong with them."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from lakeflow.jobs.python.collect import collect

JOB = """\
from lakeflow import jobs

def greet(day):
    print("hello", day)

jobs.job("{name}", tasks=[jobs.task("greet", jobs.function(greet, day="{{{{job.id}}}}"))])
"""


def write(folder, name, text):
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return file


def test_a_function_of_the_file_is_imported_by_another_process(tmp_path):
    """The other process knows nothing but the root and what the settings say."""
    file = write(tmp_path, "nested/nightly.py", JOB.format(name="n"))
    collected = collect(file, tmp_path)
    assert collected.errors == ()
    (job,) = collected.jobs
    (task,) = json.loads(json.dumps(job.settings))["tasks"]
    module, _, name = task["python_operator_task"]["main"].rpartition(".")
    said = subprocess.run(
        [sys.executable, "-c", f"from {module} import {name}; {name}('monday')"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert said.stdout == "hello monday\n"
    assert (job.location.file, job.location.line) == (str(file), 6)


def test_the_folder_of_the_file_is_the_root_if_none_is_named(tmp_path):
    (job,) = collect(write(tmp_path, "nightly.py", JOB.format(name="n"))).jobs
    assert job.settings["tasks"][0]["python_operator_task"]["main"] == "nightly.greet"


def test_a_file_is_run_again_with_what_it_imports_and_leaves_nothing_behind(tmp_path):
    file = write(tmp_path, "nightly.py", "import names_of_jobs\n" + JOB.format(name="{n}"))
    file.write_text(file.read_text().replace('"{n}"', "names_of_jobs.NAME"))
    before = (set(sys.modules), list(sys.path))
    for name in ("one", "twoandlonger"):
        write(tmp_path, "names_of_jobs.py", f"NAME = {name!r}\n")
        assert [job.name for job in collect(file).jobs] == [name]
        assert {"nightly", "names_of_jobs"}.isdisjoint(sys.modules)
    assert sys.path == before[1]


@pytest.mark.parametrize("name", ["json.py", "pyclbr.py", "my-jobs.py"])
def test_a_file_that_cannot_be_imported_may_declare_jobs_but_not_their_functions(tmp_path, name):
    import json as before

    plain = "from lakeflow import jobs\njobs.job('n', tasks=[])\n"
    assert collect(write(tmp_path, name, plain)).errors == ()
    (error,) = collect(write(tmp_path, name, JOB.format(name="n"))).errors
    assert "greet cannot be imported from" in error.message
    assert error.location.line == 6
    assert sys.modules["json"] is before


@pytest.mark.parametrize(
    ("text", "line", "message", "hint"),
    [
        ("x = (", 1, "Python cannot read it", ""),
        ("x = 1\nraise KeyError('a')", 2, "KeyError while the file was run: 'a'", ""),
        ("import sys\nsys.exit(3)", 2, "SystemExit", ""),
        (
            "from lakeflow import jobs\njobs.jbo('n')",
            2,
            "no attribute 'jbo'",
            "Did you mean 'job'?",
        ),
        ("from lakeflow import jobs\njobs.job('n', tasks=[], tasg={})", 2, "'tasg'", "'tags'"),
        ("x = '\\0'\n\0", 1, "Python cannot read it", ""),
    ],
)
def test_what_is_wrong_with_a_file_has_its_place(tmp_path, text, line, message, hint):
    file = write(tmp_path, "nightly.py", text)
    (error,) = collect(file).errors
    assert (error.location.file, error.location.line) == (str(file), line)
    assert message in error.message
    assert hint in (error.hint or "")
    assert "nightly" not in sys.modules


def test_all_errors_are_told_and_what_is_right_is_kept(tmp_path):
    text = (
        "from lakeflow import jobs\n"
        "jobs.job('a', tasks=[], tasg={})\n"
        "jobs.job('b', tasks=[jobs.task('x', jobs.script('y'), after='z')])\n"
        "jobs.job('a', tasks=[])\n"
        "1 / 0\n"
    )
    collected = collect(write(tmp_path, "nightly.py", text))
    assert [job.name for job in collected.jobs] == ["a", "b", "a"]
    assert [error.location.line for error in collected.errors] == [2, 3, 5, 4]
    assert "The other one is at" in collected.errors[-1].hint


def test_a_file_that_is_not_there(tmp_path):
    (error,) = collect(tmp_path / "none.py").errors
    assert error.message.endswith("none.py cannot be read: No such file or directory.")


def test_what_a_file_prints_goes_to_people(tmp_path, capsys):
    collect(write(tmp_path, "nightly.py", "print('said')"))
    assert capsys.readouterr() == ("", "said\n")


def test_jobs_that_run_each_other_are_named_by_key(tmp_path):
    text = """\
from lakeflow import jobs
def each(key):
    return jobs.for_each([1], jobs.task("inner", jobs.run_job(key)))
jobs.job("child", tasks=[jobs.task("a", jobs.shell("true"))])
jobs.job("other", tasks=[jobs.task("a", jobs.run_job(5)), jobs.task("b", each("child"))])
jobs.job("parent", tasks=[jobs.task("a", jobs.run_job("child")), jobs.task("b", each("othre"))])
"""
    collected = collect(write(tmp_path, "nightly.py", text))
    assert [sorted(job.runs) for job in collected.jobs] == [[], ["child"], ["child", "othre"]]
    (error,) = collected.errors
    assert error.message == "Job 'parent' runs a job 'othre', which nightly.py does not declare."
    assert (error.location.line, error.hint) == (6, "Did you mean 'other'?")
