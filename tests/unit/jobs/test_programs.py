"""Tasks in other languages, and those that only run elsewhere."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys

import pytest

from lakeflow.jobs.model import Result
from lakeflow.jobs.settings import fields
from lakeflow.jobs.workers.pool import Workers
from lakeflow.jobs.workers.tasks.context import Given
from lakeflow.jobs.workers.worker import ELSEWHERE, MODULES

JAVA = """
public class Main {
    public static void main(String[] arguments) {
        var threads = java.lang.management.ManagementFactory.getThreadMXBean();
        while (threads.getCurrentThreadCpuTime() < 200_000_000L) { }
        System.out.println(String.join(",", arguments) + " " + System.getenv("GIVEN"));
        System.exit(arguments.length);
    }
}
"""

DBT = """#!{python}
import os, pathlib, sys
print("dbt", *sys.argv[1:])
if "DBT_PROFILES_DIR" in os.environ:
    print((pathlib.Path(os.environ["DBT_PROFILES_DIR"]) / "profiles.yml").read_text())
pathlib.Path("target").mkdir(exist_ok=True)
pathlib.Path("target/run_results.json").write_text("{{}}")
sys.exit(7 if "fail" in sys.argv else 0)
"""


def needs(program: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(shutil.which(program) is None, reason=f"service missing: {program}")


@pytest.fixture
def without_programs(tmp_path):
    """Variables of an attempt that finds no program."""
    return {"PATH": str(tmp_path / "empty")}


@needs("javac")
def test_a_jar(begin, tmp_path):
    (tmp_path / "Main.java").write_text(JAVA)
    subprocess.run(["javac", "Main.java"], cwd=tmp_path, check=True)
    subprocess.run(["jar", "cf", "main.jar", "Main.class"], cwd=tmp_path, check=True)
    libraries = ({"jar": "main.jar"},)
    environment = {"GIVEN": "x"}
    good = begin(
        "spark_jar_task",
        {"main_class_name": "Main"},
        libraries=libraries,
        environment=environment,
    )
    bad = begin(
        "spark_jar_task",
        {"main_class_name": "Main", "parameters": ["a", "b"]},
        libraries=libraries,
        environment=environment,
    )
    assert good.wait().result is Result.SUCCESS, good.stderr
    assert good.stdout == " x\n"
    outcome = bad.wait()
    assert (outcome.result, outcome.exit_code) == (Result.FAILED, 2)
    assert bad.stdout == "a,b x\n"
    assert outcome.cpu_seconds > 0.2


def test_a_jar_that_cannot_run_is_refused(begin, tmp_path, without_programs):
    (tmp_path / "main.jar").touch()
    settings = {"main_class_name": "Main"}
    assert "no JAR is named" in begin("spark_jar_task", settings).wait().message
    absent = begin("spark_jar_task", settings, libraries=({"jar": "absent.jar"},)).wait()
    assert absent.code == "LIBRARY_INSTALLATION_ERROR"
    jar = ({"jar": "main.jar"},)
    without = begin("spark_jar_task", settings, libraries=jar, environment=without_programs).wait()
    assert without.code == "DRIVER_ERROR"
    assert "The program java is not on the PATH" in without.message


@needs("scala")
def test_a_scala_script(begin, tmp_path):
    (tmp_path / "script.scala").write_text('@main def run(name: String) = println(s"hi $name")')
    attempt = begin("scala_task", {"file": "script.scala", "parameters": ["x"]})
    assert attempt.wait().result is Result.SUCCESS, attempt.stderr
    assert attempt.stdout == "hi x\n"


@needs("Rscript")
def test_an_r_script(begin, tmp_path):
    (tmp_path / "script.R").write_text("cat(commandArgs(trailingOnly = TRUE), '\\n')")
    attempt = begin("r_task", {"file": "script.R", "parameters": ["x"]})
    assert attempt.wait().result is Result.SUCCESS, attempt.stderr
    assert attempt.stdout.strip() == "x"


@pytest.mark.parametrize(("kind", "program"), [("scala_task", "scala"), ("r_task", "Rscript")])
def test_a_missing_language_is_named(begin, tmp_path, without_programs, kind, program):
    (tmp_path / "script").touch()
    outcome = begin(kind, {"file": "script"}, environment=without_programs).wait()
    assert outcome.code == "DRIVER_ERROR"
    assert f"The program {program} is not on the PATH" in outcome.message
    assert "Install" in outcome.message


@pytest.mark.parametrize(
    "command", ["echo $GIVEN $1; exit 3", ["sh", "-c", "echo $GIVEN $1; exit 3", "sh"]]
)
def test_a_shell_command(begin, command):
    settings = {"command": command, "parameters": ["y"]}
    attempt = begin("shell_task", settings, environment={"GIVEN": "x"})
    outcome = attempt.wait()
    assert (outcome.result, outcome.exit_code) == (Result.FAILED, 3)
    assert outcome.code == "RUN_EXECUTION_ERROR"
    assert attempt.stdout == "x y\n"


def test_a_command_that_is_killed_says_by_what(begin):
    outcome = begin("shell_task", {"command": "kill -SEGV $$"}).wait()
    assert outcome.exit_code == 128 + signal.SIGSEGV
    assert "SIGSEGV" in outcome.message
    absent = begin("shell_task", {"command": ["absent-program"]}).wait()
    assert absent.code == "DRIVER_ERROR"
    assert "absent-program" in absent.message


@pytest.fixture
def dbt(begin, tmp_path):
    """Runs commands by a program that says what it was asked for, in the place of dbt."""
    program = tmp_path / "bin" / "dbt"
    program.parent.mkdir()
    program.write_text(DBT.format(python=sys.executable))
    program.chmod(0o755)
    project = tmp_path / "project"
    project.mkdir()
    (project / "dbt_project.yml").write_text("name: shop\nprofile: shops\n")

    def dbt(commands, **settings):
        given = {"commands": commands, "project_directory": "project", **settings}
        return begin("dbt_task", given, environment={"PATH": str(program.parent)})

    return dbt


def test_dbt_runs_its_commands_until_one_fails(dbt):
    attempt = dbt(["dbt deps", "dbt run --select 'a b'", "dbt fail", "dbt test"])
    outcome = attempt.wait()
    assert attempt.stdout == "dbt deps\ndbt run --select a b\ndbt fail\n"
    assert (outcome.result, outcome.exit_code) == (Result.FAILED, 7)
    assert outcome.message == "dbt fail ended with exit code 7."
    (artifact,) = outcome.output["dbt_output"]["artifacts"]
    assert artifact == str(attempt.assignment.folder / "artifacts" / "run_results.json")


def test_dbt_gets_a_profile_for_a_warehouse_and_says_so(dbt, tmp_path):
    attempt = dbt(["dbt run"], warehouse_id="local", schema="gold", catalog="main")
    assert attempt.wait().result is Result.SUCCESS, attempt.stderr
    first, _, profile = attempt.stdout.partition("\n")
    assert first == "dbt run"
    assert json.loads(profile)["shops"]["outputs"]["local"] == {
        "type": "duckdb",
        "path": str(tmp_path / "project" / "main.duckdb"),
        "schema": "gold",
    }
    assert "A profile was made for the warehouse" in attempt.stderr


@pytest.mark.parametrize(
    ("commands", "settings", "said"),
    [
        (["ls"], {}, "does not begin with dbt"),
        (["dbt run"] * 11, {}, "10 are allowed"),
        ([], {}, "needs commands"),
        (["dbt run"], {"project_directory": "absent"}, "absent/dbt_project.yml"),
    ],
)
def test_dbt_that_cannot_run_is_refused(dbt, commands, settings, said):
    outcome = dbt(commands, **settings).wait()
    assert outcome.result is Result.FAILED
    assert said in outcome.message


def test_dbt_that_is_not_installed_is_named(begin, tmp_path, without_programs):
    (tmp_path / "dbt_project.yml").write_text("name: shop\n")
    settings = {"commands": ["dbt run"]}
    outcome = begin("dbt_task", settings, environment=without_programs).wait()
    assert "The program dbt is not on the PATH" in outcome.message
    assert "dbt-duckdb" in outcome.message


def test_each_type_that_is_read_runs_or_is_refused():
    handed_in = {"alert_task", "pipeline_task", "sql_task"}
    control = {"condition_task", "for_each_task", "run_job_task"}
    assert {*MODULES, *handed_in, *control} == set(fields.TASK_TYPES)
    assert set(ELSEWHERE) == set(fields.ELSEWHERE)


@pytest.mark.parametrize("kind", ELSEWHERE)
def test_types_of_elsewhere_are_refused_by_name(begin, kind):
    outcome = begin(kind, {"any": "thing"}).wait()
    assert (outcome.result, outcome.code) == (Result.FAILED, "INVALID_RUN_CONFIGURATION")
    assert kind in outcome.message


def test_types_that_are_handed_in(begin, tmp_path):
    (tmp_path / "handed_in.py").write_text(
        "def run(settings, context):\n"
        "    context.values['seen'] = context.assignment.attempt\n"
        "    print('ran')\n"
        "    return {'sql_output': settings['query']}\n"
    )
    workers = Workers(given=Given(types={"sql_task": "handed_in:run"}))
    try:
        attempt = begin(
            "sql_task",
            {"query": "SELECT 1"},
            by=workers,
            environment={"PYTHONPATH": str(tmp_path)},
        )
        outcome = attempt.wait()
    finally:
        workers.close()
    assert outcome.output == {"sql_output": "SELECT 1"}
    assert outcome.values == {"seen": attempt.number}
    assert attempt.stdout == "ran\n"
    assert begin("sql_task", {}).wait().code == "INVALID_RUN_CONFIGURATION"
