"""A job that a Python file declares runs on a real server, its functions in other processes."""

from __future__ import annotations

import threading

from lakeflow.core.settings import Settings
from lakeflow.jobs.control import create_job, run_now
from lakeflow.jobs.model import Result
from lakeflow.jobs.python.collect import collect
from lakeflow.jobs.rows import AttemptRow, RunRow
from lakeflow.server.compose import Server

JOB = """\
from lakeflow import jobs
from names import GREETING

def greet(who, day, file):
    with open(file, "a") as written:
        written.write(f"{GREETING} {who} on {day}\\n")
    return who

first = jobs.task("first", jobs.function(
    greet, who="{{task.name}}", day="{{job.parameters.weekday}}", file="said",
))
count = jobs.task("count", jobs.shell("wc -l < said"), after=first)
gate = jobs.task("gate", jobs.condition(first.result, "==", "success"), after=count)
each = jobs.task("each", jobs.for_each(
    [{"name": "a"}, {"name": "b c"}],
    jobs.task("one", jobs.function(greet, who="{{input.name}}", day="any day", file="said")),
), after=gate.when(True))
never = jobs.task("never", jobs.shell("exit 1"), after=gate.when(False))
last = jobs.task("last", jobs.function(
    greet, who=f"{each.result} and {never.result}", day="the end", file="said",
), after=[each, never], run_if="ALL_DONE")

tasks = [first, count, gate, each, never, last]
jobs.job("greetings", tasks=tasks, parameters={"weekday": "monday"})
"""


def test_a_declared_job_runs(tmp_path):
    project = tmp_path / "project"
    project.mkdir()
    (project / "greetings.py").write_text(JOB)
    (project / "names.py").write_text("GREETING = 'hello'\n")
    collected = collect(project / "greetings.py", project)
    assert collected.errors == ()
    (job,) = collected.jobs
    over = threading.Event()

    def listen(event):
        if event.type == "run.ended":
            over.set()

    settings = Settings(lakehouse=tmp_path / "lakehouse")
    with Server(tmp_path / "home", settings, listeners=[listen]) as server:
        job_id = server.ask(
            lambda turn: create_job(turn, job.settings, root=str(project), creator="me")
        )
        request = {"job_parameters": {"weekday": "{{job.trigger.type}}"}}
        run_id = server.ask(lambda turn: run_now(server.scheduler, turn, job_id, request=request))
        assert over.wait(60)
        run = server.ask(lambda turn: turn.store.find(RunRow, run_id))
        attempts = server.ask(lambda turn: turn.store.select(AttemptRow, "run_id = ?", (run_id,)))
    assert run.result is Result.SUCCESS, [(a.task_key, a.result, a.message) for a in attempts]
    said = (project / "said").read_text().splitlines()
    assert said == [
        "hello first on one_time",
        "hello a on any day",
        "hello b c on any day",
        "hello success and excluded on the end",
    ]
    results = {each.task_key: each.result for each in attempts if each.iteration is None}
    assert results["never"] is Result.EXCLUDED
