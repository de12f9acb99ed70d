"""Environments of tasks: built once, shared, and never taken half built."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from lakeflow.core.errors import TaskError
from lakeflow.jobs.model import Result
from lakeflow.jobs.workers import environments
from lakeflow.jobs.workers.pool import Workers
from lakeflow.jobs.workers.tasks.context import Given
from tests.unit.jobs.wheels import make_wheel

CODE = """
import sys
def main():
    print("main", sys.argv[1:], sys.prefix != sys.base_prefix)
def other():
    print("other", sys.argv[1:])
"""
ENTRY_POINTS = "[console_scripts]\nstart-tool = tool:main\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("environments")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    return make_wheel(
        tmp_path_factory.mktemp("wheels"), "tool", "1.0", {"tool.py": CODE}, ENTRY_POINTS
    )


@pytest.fixture(scope="module")
def workers(folder):
    made = Workers(given=Given(environments=str(folder)), grace=60)
    yield made
    made.close()


def test_a_wheel_runs_by_its_entry_point_or_its_function(begin, wheel, folder):
    libraries = ({"whl": str(wheel)},)
    attempts = [
        begin("python_wheel_task", {"package_name": "tool", **settings}, libraries=libraries)
        for settings in (
            {"entry_point": "start-tool", "parameters": ["a", "b"]},
            {"entry_point": "start-tool", "named_parameters": {"day": "1"}},
            {"entry_point": "other"},
        )
    ]
    for attempt in attempts:
        assert attempt.wait().result is Result.SUCCESS, attempt.stderr
    assert [attempt.stdout for attempt in attempts] == [
        "main ['a', 'b'] True\n",
        "main ['--day=1'] True\n",
        "other []\n",
    ]
    assert len(list(folder.glob("*/ready"))) == 1


def test_parameters_of_the_job_reach_named_ones_and_beat_them(begin, wheel):
    attempt = begin(
        "python_wheel_task",
        {
            "package_name": "tool",
            "entry_point": "other",
            "named_parameters": {"day": "1", "x": "y"},
        },
        libraries=({"whl": str(wheel)},),
        parameters={"day": "2"},
    )
    attempt.wait()
    assert attempt.stdout == "other ['--day=2', '--x=y']\n"


def test_other_types_find_the_environment_as_well_and_ours_behind_it(begin, script, wheel):
    libraries = ({"dependencies": [str(wheel)]},)
    shell = begin("shell_task", {"command": "start-tool from the shell"}, libraries=libraries)
    python = script(
        "import tool, lakeflow, psutil\nprint(lakeflow.__file__)", libraries=libraries, cluster="c"
    )
    again = script("import tool, os\nprint(os.getpid())", libraries=libraries, cluster="c")
    assert shell.wait().result is Result.SUCCESS, shell.stderr
    assert shell.stdout == "main ['from', 'the', 'shell'] True\n"
    assert python.wait().result is Result.SUCCESS, python.stderr
    assert python.stdout == f"{sys.modules['lakeflow'].__file__}\n"
    assert again.wait().result is Result.SUCCESS
    assert int(again.stdout) == python.process.pid


@pytest.mark.parametrize(
    ("settings", "code", "said"),
    [
        ({"package_name": "toool", "entry_point": "main"}, "RESOURCE_NOT_FOUND", "not installed"),
        ({"package_name": "tool", "entry_point": "mian"}, "RESOURCE_NOT_FOUND", "mean 'main'"),
        ({"package_name": "tool"}, "INVALID_RUN_CONFIGURATION", "needs entry_point"),
        (
            {
                "package_name": "tool",
                "entry_point": "main",
                "parameters": ["a"],
                "named_parameters": {"a": "b"},
            },
            "INVALID_RUN_CONFIGURATION",
            "only one",
        ),
    ],
)
def test_a_wheel_that_cannot_run_is_refused(begin, wheel, settings, code, said):
    outcome = begin("python_wheel_task", settings, libraries=({"whl": str(wheel)},)).wait()
    assert outcome.code == code
    assert said in outcome.message


def test_a_library_that_does_not_install_fails_the_task(script, tmp_path):
    (tmp_path / "broken-1.0-py3-none-any.whl").write_bytes(b"no wheel")
    attempt = script("print('never')", libraries=({"whl": "broken-1.0-py3-none-any.whl"},))
    outcome = attempt.wait()
    assert (outcome.result, outcome.code) == (Result.FAILED, "LIBRARY_INSTALLATION_ERROR")
    assert "broken-1.0" in outcome.message.splitlines()[-1] + attempt.stderr
    assert attempt.stdout == ""


@pytest.mark.parametrize(
    ("library", "said"),
    [
        ({"maven": {"coordinates": "a:b:1"}}, "Download the JAR"),
        ({"cran": {"package": "a"}}, "kind cran"),
        ({"whll": "a"}, "Did you mean 'whl'?"),
        ({"whl": "absent.whl"}, "absent.whl"),
    ],
)
def test_libraries_of_other_kinds_are_refused(tmp_path, library, said):
    with pytest.raises(TaskError) as caught:
        environments.arguments([library], tmp_path)
    assert caught.value.code == "LIBRARY_INSTALLATION_ERROR"
    assert said in str(caught.value)


def test_what_an_installer_is_asked_for(tmp_path):
    (tmp_path / "requirements.txt").touch()
    lines = [
        "b>=2",
        "-r requirements.txt",
        "-e ./own",
        "./c.whl",
        "d @ https://a.org/d.whl",
        "--pre",
    ]
    (tmp_path / "c.whl").touch()
    libraries = [
        {"pypi": {"package": "a==1", "repo": "https://example.org/simple"}},
        {"requirements": "requirements.txt"},
        {"dependencies": lines},
        {"jar": "d.jar"},
    ]
    root = str(tmp_path)
    assert environments.arguments(libraries, tmp_path) == [
        *("a==1", "--index-url", "https://example.org/simple"),
        *("--requirement", f"{root}/requirements.txt"),
        "b>=2",
        *("--requirement", f"{root}/requirements.txt"),
        *("--editable", f"{root}/own", f"{root}/c.whl", "d @ https://a.org/d.whl", "--pre"),
    ]


@pytest.mark.parametrize(
    ("library", "option"),
    [
        ({"whl": "up/../dist/*.whl"}, []),
        ({"dependencies": ["./dist/*.whl"]}, []),
        ({"requirements": "dist/[r]*.txt"}, ["--requirement"]),
    ],
)
def test_a_pattern_leads_to_exactly_one_file(tmp_path, library, option):
    (tmp_path / "up").mkdir()
    (tmp_path / "dist").mkdir()
    with pytest.raises(TaskError, match=r"There is no file .*/dist/") as none:
        environments.arguments([library], tmp_path)
    ending = ".txt" if option else ".whl"
    assert ("Build it with `uv build --wheel`" in str(none.value)) is (ending == ".whl")
    (tmp_path / "dist" / f"r-1{ending}").touch()
    *before, file = environments.arguments([library], tmp_path)
    assert before == option
    assert Path(file).samefile(tmp_path / "dist" / f"r-1{ending}")
    (tmp_path / "dist" / f"r-2{ending}").touch()
    with pytest.raises(TaskError, match=f"r-1{ending}, .*r-2{ending}"):
        environments.arguments([library], tmp_path)


def test_a_name_with_brackets_is_that_file(tmp_path):
    (tmp_path / "a[1].txt").touch()
    found = environments.arguments([{"requirements": "a[1].txt"}], tmp_path)
    assert found == ["--requirement", f"{tmp_path}/a[1].txt"]


BUILD = """
import sys
from pathlib import Path
from lakeflow.jobs.workers import environments
print(environments.provide([sys.argv[1]], Path(sys.argv[2]), Path(sys.argv[2])), flush=True)
"""


def answer(*words: str | Path) -> str:
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout.strip()


def builder(wheel: Path, folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", BUILD, str(wheel), str(folder)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )


def test_two_builders_build_once_and_a_killed_one_leaves_nothing_that_is_taken(wheel, tmp_path):
    first = builder(wheel, tmp_path)
    while not list(tmp_path.glob("*/bin/python")):
        assert first.poll() is None
    os.killpg(first.pid, signal.SIGKILL)
    first.wait()
    first.stdout.close()
    assert list(tmp_path.glob("*/ready")) == []
    others = [builder(wheel, tmp_path) for _ in range(2)]
    said = {each.communicate()[0].strip() for each in others}
    assert len(said) == 1
    (python,) = said
    assert answer(python, "-c", "import tool; tool.other()") == "other []"


def test_another_wheel_of_the_same_name_is_another_environment(tmp_path):
    made = []
    for text in ("print(1)", "print(2)"):
        path = make_wheel(tmp_path, "same", "1.0", {"same.py": text})
        made.append(environments.provide([str(path)], tmp_path, tmp_path / "all"))
    assert made[0] != made[1]
    assert [answer(each, "-m", "same") for each in made] == ["1", "2"]
