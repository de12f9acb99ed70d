"""`lakeflow jobs` and `lakeflow deploy`, as somebody types them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from databricks.sdk import WorkspaceClient

from lakeflow.cli.server import Remote
from lakeflow.core.errors import LakeflowError
from lakeflow.jobs.rows import JobEvent
from tests.unit.server.receivers import Receiver

PROJECT = """
name: shop
jobs:
  nightly:
    schedule: {quartz_cron_expression: "0 30 2 * * ?", timezone_id: Europe/Vienna}
    parameters: [{name: day, default: "monday"}]
    tasks:
      - task_key: load
        shell_task: {command: "echo loading {{job.parameters.day}}; echo oops >&2"}
      - task_key: check
        depends_on: [{task_key: load}]
        shell_task: {command: "test -e good"}
      - task_key: gate
        depends_on: [{task_key: check}]
        condition_task: {op: EQUAL_TO, left: "{{job.parameters.day}}", right: sunday}
      - task_key: rest
        depends_on: [{task_key: gate, outcome: "true"}]
        shell_task: {command: "true"}
      - task_key: clean
        depends_on: [{task_key: check}]
        run_if: ALL_DONE
        shell_task: {command: "true"}
"""


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    (tmp_path / "lakeflow.yml").write_text(PROJECT)
    return tmp_path


def lakeflow(folder: Path, *words: str, code: int = 0) -> str:
    """What the command prints; its error stream comes after that."""
    found = subprocess.run(
        [sys.executable, "-m", "lakeflow", *words],
        check=False,
        cwd=folder,
        capture_output=True,
        text=True,
        env={**os.environ, "LAKEFLOW_HOME": str(folder / "home")},
    )
    assert found.returncode == code, found.stdout + found.stderr
    return found.stdout + found.stderr


def jobs(folder: Path, *words: str, code: int = 0) -> str:
    return lakeflow(folder, "jobs", *words, code=code)


def runs(folder: Path) -> list[dict]:
    return [json.loads(line) for line in jobs(folder, "history", "--json").splitlines()]


def test_a_run_that_fails_is_repaired(shop: Path) -> None:
    said = jobs(shop, "run", "nightly", "--local", code=1)
    assert "check FAILED (RUN_EXECUTION_ERROR)" in said
    (run,) = runs(shop)
    states = {task["task"]: task["result"] for task in run["tasks"]}
    assert states == {
        "load": "SUCCESS",
        "check": "FAILED",
        "gate": "UPSTREAM_FAILED",
        "rest": "UPSTREAM_FAILED",
        "clean": "SUCCESS",
    }
    number = str(run["run_id"])
    assert "gate runs if ALL_SUCCESS: check is FAILED." in jobs(shop, "why", number, "gate")
    assert "loading monday" in jobs(shop, "logs", number, "load")
    assert "oops" in jobs(shop, "logs", number)
    (shop / "good").touch()
    said = jobs(shop, "repair", number, "--local")
    assert f"Run {number} of nightly SUCCESS" in said
    assert "loading" not in said
    (again,) = runs(shop)
    assert {task["task"]: task["result"] for task in again["tasks"]}["rest"] == "EXCLUDED"
    assert "gate came out false" in jobs(shop, "why", number, "rest")


def test_parameters_and_some_tasks_only(shop: Path) -> None:
    jobs(shop, "run", "nightly", "--local", "--param", "day=friday", "--only", "load")
    (run,) = runs(shop)
    assert run["parameters"] == {"day": "friday"}
    assert [task["task"] for task in run["tasks"]] == ["load"]
    said = jobs(shop, "run", "nightly", "--local", "--param", "dya=friday", code=2)
    assert "Did you mean 'day'?" in said


def test_json_is_an_object_on_each_line(shop: Path) -> None:
    said = jobs(shop, "run", "nightly", "--local", "--only", "load", "--json")
    *events, last = [json.loads(line) for line in said.splitlines()]
    assert [event["type"] for event in events][-2:] == ["task.ended", "run.ended"]
    assert (last["state"], last["result"]) == ("TERMINATED", "SUCCESS")


def test_ctrl_c_cancels_the_run(shop: Path) -> None:
    (shop / "lakeflow.yml").write_text(
        "name: slow\njobs: {wait: {tasks: [{task_key: w, shell_task: {command: "
        "'echo up; exec sleep 1000'}}]}}"
    )
    process = subprocess.Popen(
        [sys.executable, "-m", "lakeflow", "jobs", "run", "wait", "--local"],
        cwd=shop,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "LAKEFLOW_HOME": str(shop / "home")},
    )
    assert process.stdout is not None
    while "w   " not in process.stdout.readline():
        pass
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "CANCELED" in out


def test_ctrl_c_just_after_a_run_was_accepted_cancels_it(shop: Path) -> None:
    (shop / "lakeflow.yml").write_text(
        "name: slow\njobs: {wait: {tasks: [{task_key: w, shell_task: {command: 'sleep 1000'}}]}}"
    )
    (shop / "program.py").write_text(
        "import os, signal\n"
        "from lakeflow.cli import main, server\n"
        "call = server.Local.call\n"
        "def interrupted(self, path, body):\n"
        "    reply = call(self, path, body)\n"
        "    if path.endswith('run-now'):\n"
        "        os.kill(os.getpid(), signal.SIGINT)\n"
        "    return reply\n"
        "server.Local.call = interrupted\n"
        "main.main(['jobs', 'run', 'wait', '--local'])\n"
    )
    found = subprocess.run(
        [sys.executable, "program.py"],
        check=False,
        cwd=shop,
        capture_output=True,
        text=True,
        env={**os.environ, "LAKEFLOW_HOME": str(shop / "home")},
    )
    assert found.returncode == 130
    assert "CANCELED" in found.stdout
    (run,) = runs(shop)
    assert run["result"] == "CANCELED"


def test_a_job_without_local_says_what_to_do(shop: Path) -> None:
    assert "add --local" in jobs(shop, "run", "nightly", code=2)


def test_a_command_without_local_does_not_speak_of_it(shop: Path) -> None:
    lakeflow(shop, "deploy")
    words = ["--from", "2026-03-01", "--to", "2026-03-02"]
    for said in (
        jobs(shop, "cancel", "1", code=2),
        jobs(shop, "backfill", "nightly", *words, code=2),
    ):
        assert "lakeflow serve" in said
        assert "--local" not in said


def test_a_home_that_is_a_file_is_refused(shop: Path) -> None:
    (shop / "home").touch()
    for words in (("deploy",), ("deploy", "--dry-run"), ("jobs", "run", "nightly", "--local")):
        assert "cannot hold jobs and runs" in lakeflow(shop, *words, code=2)
    assert "cannot hold jobs and runs" in jobs(shop, "run", "nightly", code=2)
    assert "cannot hold jobs and runs" in lakeflow(shop, "serve", "--port", "0", code=2)


def test_names_that_are_not_there(shop: Path) -> None:
    assert "Did you mean 'nightly'?" in jobs(shop, "run", "nihgtly", "--local", code=2)
    assert "No job has run" in jobs(shop, "list", "--home", "elsewhere", code=2)
    lakeflow(shop, "deploy")
    assert "Did you mean 'nightly'?" in jobs(shop, "show", "nigtly", code=2)
    assert "There is no run 99" in jobs(shop, "why", "99", code=2)
    assert "Did you mean 'repair'?" in jobs(shop, "repiar", code=2)


def test_an_error_in_the_file_has_its_line(shop: Path) -> None:
    text = (shop / "lakeflow.yml").read_text()
    (shop / "lakeflow.yml").write_text(
        text.replace("task_key: gate, outcome", "task_key: gat, outcome")
    )
    assert "lakeflow.yml:17" in jobs(shop, "run", "nightly", "--local", code=2)
    (shop / "lakeflow.yml").write_text(text.replace("schedule:", "shedule:"))
    said = jobs(shop, "run", "nightly", "--local", code=2)
    assert "lakeflow.yml:5" in said
    assert "'schedule'" in said


def test_graph_and_next_read_the_project(shop: Path) -> None:
    graph = jobs(shop, "graph", "nightly").splitlines()
    assert graph[0] == "load   shell"
    assert "rest   shell  after gate is true" in graph
    assert "clean  shell  after check (ALL_DONE)" in graph
    assert "    gate -->|true| rest" in jobs(shop, "graph", "nightly", "--mermaid")
    (tick,) = jobs(shop, "next", "nightly", "--count", "1").splitlines()
    assert " 02:30:00+0" in tick
    assert not (shop / "home").exists()


CIRCLES = {
    "of one": "name: shop\njobs:\n  j: {tasks: [{task_key: a, run_job_task: {job_id: j}}]}\n",
    "of two": "name: shop\njobs:\n  j: {tasks: [{task_key: a, run_job_task: {job_id: k}}]}\n"
    "  k: {tasks: [{task_key: a, run_job_task: {job_id: '${resources.jobs.j.id}'}}]}\n",
}


@pytest.mark.parametrize("text", CIRCLES.values(), ids=CIRCLES)
def test_jobs_that_run_each_other_are_refused(text: str, shop: Path) -> None:
    (shop / "lakeflow.yml").write_text(text)
    for words in (("jobs", "run", "j", "--local"), ("deploy",)):
        said = lakeflow(shop, *words, code=2)
        assert "speak of each other in a circle: jobs.j -> jobs." in said
        assert "lakeflow.yml:3" in said or "lakeflow.yml:4" in said


def test_a_run_leaves_a_job_that_is_as_it_was_deployed(shop: Path) -> None:
    lakeflow(shop, "deploy")
    jobs(shop, "pause", "nightly")
    jobs(shop, "run", "nightly", "--local", "--only", "load")
    assert "pause_status: PAUSED" in jobs(shop, "show", "nightly")
    text = (shop / "lakeflow.yml").read_text()
    (shop / "lakeflow.yml").write_text(text.replace("0 30 2", "0 0 3"))
    jobs(shop, "run", "nightly", "--local", "--only", "load")
    shown = jobs(shop, "show", "nightly")
    assert "0 0 3" in shown
    assert "PAUSED" not in shown


def test_deploy_brings_back_what_others_have_changed(shop: Path) -> None:
    lakeflow(shop, "deploy")
    jobs(shop, "pause", "nightly")
    told = "update     jobs.nightly\n    schedule.pause_status: PAUSED -> (not set)\n"
    assert lakeflow(shop, "deploy", "--dry-run") == told
    assert lakeflow(shop, "deploy") == told
    assert "PAUSED" not in jobs(shop, "show", "nightly")
    version = jobs(shop, "show", "nightly").splitlines()[0]
    assert "All is as it is declared." in lakeflow(shop, "deploy")
    assert jobs(shop, "show", "nightly").splitlines()[0] == version
    elsewhere = shop / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "lakeflow.yml").write_text(PROJECT)
    said = lakeflow(shop, "deploy", "--project", "elsewhere")
    assert f"the folder of the project: {shop} -> " in said


def test_the_name_of_a_project_may_be_long(shop: Path) -> None:
    (shop / "lakeflow.yml").write_text(PROJECT.replace("shop", "s" * 300))
    assert "create     jobs.nightly" in lakeflow(shop, "deploy")
    assert "All is as it is declared." in lakeflow(shop, "deploy")


def test_an_iteration_is_found_as_it_is_printed(shop: Path) -> None:
    (shop / "lakeflow.yml").write_text(
        "name: shop\njobs:\n  many:\n    tasks:\n      - task_key: each\n"
        "        for_each_task:\n          inputs: [red, blue]\n"
        "          task: {task_key: one, shell_task: {command: 'echo {{input}}'}}\n"
    )
    jobs(shop, "run", "many", "--local")
    number = str(runs(shop)[0]["run_id"])
    said = jobs(shop, "logs", number, "each[1]")
    assert "blue" in said
    assert "red" not in said
    assert "each[0] is SUCCESS" in jobs(shop, "why", number, "each[0]")
    assert "has no task 'each[2]'" in jobs(shop, "why", number, "each[2]", code=2)


def test_a_job_without_tasks_is_not_run(shop: Path) -> None:
    (shop / "lakeflow.yml").write_text("name: shop\njobs:\n  empty: {tasks: []}\n")
    said = jobs(shop, "run", "empty", "--local", code=2)
    assert "lakeflow.yml:3" in said
    assert "has no tasks" in said


def test_graph_names_the_job_that_a_task_runs(shop: Path) -> None:
    (shop / "lakeflow.yml").write_text(
        "name: shop\njobs:\n"
        "  j: {tasks: [{task_key: a, run_job_task: {job_id: '${resources.jobs.k.id}'}}]}\n"
        "  k: {tasks: [{task_key: a, shell_task: {command: 'true'}}]}\n"
    )
    assert jobs(shop, "graph", "j") == "a  run job k\n"


def test_a_project_without_jobs_says_so(shop: Path) -> None:
    (shop / "lakeflow.yml").write_text("name: shop\njobs: {}\n")
    for word in (("run", "x", "--local"), ("graph", "x")):
        said = jobs(shop, *word, code=2)
        assert "It declares no jobs." in said
        assert "Jobs are" not in said


def test_deploy_shows_and_does_what_differs(shop: Path) -> None:
    assert "create     jobs.nightly" in lakeflow(shop, "deploy", "--dry-run")
    assert not (shop / "home").exists()
    lakeflow(shop, "deploy")
    assert "All is as it is declared." in lakeflow(shop, "deploy")
    text = (shop / "lakeflow.yml").read_text()
    (shop / "lakeflow.yml").write_text(text.replace("0 30 2", "0 0 3").replace("nightly", "daily"))
    said = lakeflow(shop, "deploy")
    assert "create     jobs.daily" in said
    assert "delete     jobs.nightly" in said
    listed = [json.loads(line) for line in jobs(shop, "list", "--json").splitlines()]
    assert [job["key"] for job in listed] == ["daily"]
    assert "timezone_id: Europe/Vienna" in jobs(shop, "show", "daily")


def test_a_file_of_jobs_in_python(shop: Path) -> None:
    (shop / "work.py").write_text(
        "from lakeflow import jobs\n"
        "one = jobs.task('one', jobs.shell('echo one'))\n"
        "jobs.job('small', tasks=[one, jobs.task('two', jobs.shell('echo two'), after=one)])\n"
    )
    said = jobs(shop, "run", "small", "--local", "--project", "work.py")
    assert "Run " in said
    assert "SUCCESS" in said


def test_a_python_file_of_jobs_whose_job_runs_another_with_a_function(shop: Path) -> None:
    (shop / "work.py").write_text(
        "from lakeflow import jobs\n"
        "def greet(who):\n"
        "    with open('said', 'a') as said:\n"
        "        said.write(who)\n"
        "greeting = jobs.task('greet', jobs.function(greet, who='{{job.parameters.who}}'))\n"
        "jobs.job('child', tasks=[greeting], parameters={'who': 'nobody'})\n"
        "call = jobs.task('call', jobs.run_job('child', parameters={'who': '{{job.name}}'}))\n"
        "jobs.job('parent', tasks=[call])\n"
    )
    said = jobs(shop, "run", "parent", "--local", "--project", "work.py")
    assert "SUCCESS" in said
    assert (shop / "said").read_text() == "parent"


def test_a_local_run_tells_who_is_to_be_told(tmp_path: Path) -> None:
    with Receiver() as receiver:
        job = {
            "webhook_notifications": {"on_success": [{"id": f"{receiver.url}/hush"}]},
            "email_notifications": {"on_start": ["ann@example.org"]},
            "health": {
                "rules": [
                    {"metric": "STREAMING_BACKLOG_FILES", "op": "GREATER_THAN", "value": 1},
                ]
            },
            "tasks": [{"task_key": "a", "shell_task": {"command": "true"}}],
        }
        text = json.dumps({"name": "shop", "jobs": {"nightly": job}})
        (tmp_path / "lakeflow.yml").write_text(text)
        said = jobs(tmp_path, "run", "nightly", "--local")
        (request,) = receiver.requests
    assert request.body["result_state"] == "SUCCESS"
    assert "warning nightly: health.rules[0]: STREAMING_BACKLOG_FILES is kept" in said
    assert "NOT TOLD" in said
    assert "Set LAKEFLOW_SMTP_URL" in said
    assert "hush" not in said


@pytest.fixture
def served(shop: Path) -> Iterator[Path]:
    """The shop, with a server at work in its home."""
    process, _ = serve(shop)
    yield shop
    process.terminate()
    process.communicate(timeout=60)
    assert process.returncode in (0, 130)


def test_jobs_of_a_server(served: Path) -> None:
    assert "create     jobs.nightly" in lakeflow(served, "deploy")
    said = jobs(served, "run", "nightly", code=1)
    assert "load                      SUCCESS" in said
    assert "check FAILED (RUN_EXECUTION_ERROR)" in said
    assert "is already at work" in jobs(served, "run", "nightly", "--local", code=1)
    (run,) = runs(served)
    (served / "good").touch()
    assert "SUCCESS" in jobs(served, "repair", str(run["run_id"]))
    number = jobs(served, "run", "nightly", "--only", "load", "--no-wait").strip()
    jobs(served, "cancel", number)
    said = jobs(served, "run", "nightly", "--param", "dya=friday", code=2)
    assert "Did you mean 'day'?" in said
    jobs(served, "pause", "nightly")
    assert "pause_status: PAUSED" in jobs(served, "show", "nightly")
    jobs(served, "resume", "nightly")
    assert "pause_status: UNPAUSED" in jobs(served, "show", "nightly")
    day = "day={{backfill.iso_date}}"
    words = ["--from", "2026-03-01", "--to", "2026-03-04", "--param", day]
    made = jobs(served, "backfill", "nightly", *words, "--json")
    windows = [json.loads(line)["window_start"] for line in made.splitlines()]
    assert windows == [f"2026-03-0{n}T01:30:00+00:00" for n in (1, 2, 3)]
    days = {run["parameters"]["day"] for run in runs(served)}
    assert days >= {"2026-03-01", "2026-03-02", "2026-03-03"}
    said = jobs(served, "backfill", "nightly", "--from", "2026-01-01", "--to", "2027-01-01", code=2)
    assert "more than 100 runs" in said
    assert "There is no run" in jobs(served, "why", "12345", code=2)
    assert "does not exist" in jobs(served, "cancel", "12345", code=2)


def test_pipelines_of_a_project_are_those_of_the_api(served: Path) -> None:
    (served / "orders.sql").write_text("CREATE MATERIALIZED VIEW orders AS SELECT 1 AS id;")
    (served / "lakeflow.yml").write_text(
        "name: shop\npipelines:\n  one: {path: orders.sql}\n"
        "  two: {schema: gold, libraries: [{file: {path: orders.sql}}]}\n"
        "jobs:\n  load:\n    tasks:\n"
        "      - {task_key: a, pipeline_task: {pipeline_id: one}}\n"
        "      - {task_key: b, pipeline_task: {pipeline_id: '${resources.pipelines.two.id}'}}\n"
    )
    lakeflow(served, "deploy")
    assert "SUCCESS" in jobs(served, "run", "load")
    assert "1" in lakeflow(served, "query", "SELECT id FROM orders")
    assert "1" in lakeflow(served, "query", "SELECT id FROM gold.orders")
    address = json.loads((served / "home" / "server.lock").read_text())["address"]
    token = (served / "home" / "token").read_text().strip()
    client = WorkspaceClient(host=address, token=token)
    named = {each.name: each.pipeline_id for each in client.pipelines.list_pipelines()}
    assert set(named) == {"one", "two"}
    (update,) = client.pipelines.list_updates(named["two"]).updates
    assert str(update.state.value) == "COMPLETED"
    (served / "lakeflow.yml").write_text("name: shop\njobs: {}\n")
    lakeflow(served, "deploy")
    assert list(client.pipelines.list_pipelines()) == []


def test_deploy_creates_again_what_was_deleted(served: Path) -> None:
    (served / "lakeflow.yml").write_text(
        "name: shop\njobs:\n"
        "  k: {tasks: [{task_key: a, shell_task: {command: 'true'}}]}\n"
        "  j: {tasks: [{task_key: a, run_job_task: {job_id: k}}]}\n"
    )
    lakeflow(served, "deploy")
    address = json.loads((served / "home" / "server.lock").read_text())["address"]
    client = WorkspaceClient(host=address, token=(served / "home" / "token").read_text().strip())
    (gone,) = client.jobs.list(name="k")
    assert gone.job_id is not None
    client.jobs.delete(gone.job_id)
    for words in (["deploy", "--dry-run"], ["deploy"]):
        said = lakeflow(served, *words)
        assert "create     jobs.k" in said
        assert "update     jobs.j" in said
    assert "SUCCESS" in jobs(served, "run", "j")


def test_a_server_that_is_killed_is_looked_for(tmp_path: Path) -> None:
    text = "name: slow\njobs: {wait: {tasks: [{task_key: w, shell_task: {command: sleep 1000}}]}}"
    (tmp_path / "lakeflow.yml").write_text(text)
    home = tmp_path / "home"
    process, address = serve(tmp_path)
    number = int(begun(tmp_path))
    paused: list[float] = []
    remote = Remote(address, home, patience=1, pause=paused.append)
    heard: list[str] = []

    def tell(event: JobEvent) -> None:
        heard.append(event.type)
        if event.type == "task.started":
            process.kill()
            process.communicate()

    with pytest.raises(LakeflowError) as raised:
        remote.follow(number, tell, 0)
    assert f"lakeflow jobs why {number} says" in str(raised.value)
    assert raised.value.exit_code == 1
    assert "task.started" in heard
    assert sum(paused) == 1


def test_a_run_is_followed_at_the_next_server(tmp_path: Path) -> None:
    (tmp_path / "lakeflow.yml").write_text(
        "name: slow\njobs: {wait: {tasks: [{task_key: w, shell_task: {command: "
        "'test -e go || exec sleep 1000'}}]}}"
    )
    servers = [serve(tmp_path)]
    number = int(begun(tmp_path))
    heard: list[int] = []

    def tell(event: JobEvent) -> None:
        heard.append(event.sequence)
        if event.type == "task.started" and len(servers) == 1:
            servers[0][0].kill()
            servers[0][0].communicate()

    def pause(_: float) -> None:
        if len(servers) == 1:
            (tmp_path / "go").touch()
            servers.append(serve(tmp_path))

    Remote(servers[0][1], tmp_path / "home", pause=pause).follow(number, tell, 0)
    assert "SUCCESS" in jobs(tmp_path, "why", str(number))
    assert heard == sorted(set(heard))
    servers[1][0].terminate()
    servers[1][0].communicate(timeout=60)


def serve(folder: Path) -> tuple[subprocess.Popen[str], str]:
    """A server in the home of a folder, and its address."""
    process = subprocess.Popen(
        [sys.executable, "-m", "lakeflow", "serve", "--port", "0"],
        cwd=folder,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "LAKEFLOW_HOME": str(folder / "home")},
    )
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("Listening"):
            return process, line.split()[-1]
    raise AssertionError("The server did not start.")


def begun(folder: Path) -> str:
    return jobs(folder, "run", "wait", "--no-wait").strip()
