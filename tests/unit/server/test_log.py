"""The log of a server as JSON: every line is an object, and events of jobs are among them."""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
import urllib.request

from lakeflow.jobs.rows import JobEvent
from lakeflow.server.log import JsonLines, log_event

TOKEN = "0123456789abcdef0123456789abcdef"
GATE = {"op": "EQUAL_TO", "left": "1", "right": "1"}


def test_an_exception_stays_on_one_line():
    try:
        raise ValueError("two\nlines")
    except ValueError:
        about = sys.exc_info()
    record = logging.LogRecord("here", logging.ERROR, "", 1, "it %s", ("failed",), about)
    line = JsonLines().format(record)
    assert "\n" not in line
    found = json.loads(line)
    assert (found["level"], found["logger"], found["message"]) == ("ERROR", "here", "it failed")
    assert found["exception"].endswith("ValueError: two\nlines")


def test_an_event_is_told_with_what_it_is_of(caplog):
    event = JobEvent(
        1_800_000_000_123, "task.ended", "FAILED: why", 1, 2, 3, "load", 0, {"result": "FAILED"}, 9
    )
    log_event(event)
    assert caplog.records == [], "nobody has asked for it"
    with caplog.at_level(logging.INFO, "lakeflow.events"):
        log_event(event)
    assert json.loads(JsonLines().format(caplog.records[0])) == {
        "time": "2027-01-15T08:00:00.123+00:00",
        "level": "INFO",
        "logger": "lakeflow.events",
        "message": "FAILED: why",
        "event": "task.ended",
        "job_id": 1,
        "run_id": 2,
        "attempt": 3,
        "task_key": "load",
        "iteration": 0,
        "sequence": 9,
        "result": "FAILED",
    }


def test_a_server_tells_in_json_what_it_does(tmp_path):
    variables = {k: v for k, v in os.environ.items() if not k.startswith("LAKEFLOW_")}
    server = subprocess.Popen(
        [
            *(sys.executable, "-m", "lakeflow", "serve", "--home", str(tmp_path / "home")),
            *("--lakehouse", str(tmp_path / "lake"), "--port", "0", "--json", "--log-calls"),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**variables, "LAKEFLOW_TOKEN": TOKEN},
    )
    assert server.stdout is not None
    address = json.loads(server.stdout.readline())["message"].split()[-1]

    def post(path, body):
        headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
        request = urllib.request.Request(
            f"{address}/api/2.2/jobs/{path}", json.dumps(body).encode(), headers
        )
        with urllib.request.urlopen(request) as answer:
            return json.load(answer)

    job = post("create", {"name": "n", "tasks": [{"task_key": "gate", "condition_task": GATE}]})
    run = post("run-now", job)["run_id"]
    server.send_signal(signal.SIGTERM)
    said, told = server.communicate(timeout=30)
    assert server.returncode == 0
    assert said == ""
    lines = [json.loads(line) for line in told.splitlines()]
    assert {"message": "Stopping."} in lines
    assert TOKEN not in told
    (ended,) = (line for line in lines if line.get("event") == "run.ended")
    assert (ended["run_id"], ended["result"]) == (run, "SUCCESS")
    assert any(line.get("logger") == "lakeflow.access" for line in lines)
