"""A server that is killed again and again, and the client that does not give up.

    python -m tests.faults.jobserver HOME RUNS URL

A schedule ticks a minute in each tenth of a second, for clocks run fast here. The client accepts
RUNS runs, each under a token of its own, and writes down which were accepted;
repairs each run that failed; ends when every run has succeeded. URL is told of starts and ends.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from lakeflow.core.settings import Settings
from lakeflow.jobs.control import create_job, repair, run_now
from lakeflow.jobs.model import Result
from lakeflow.jobs.rows import JobEvent, JobRow, RepairRow, RunRow
from lakeflow.jobs.turn import Turn
from lakeflow.server.compose import Server
from tests.unit.jobs.repository import make_repository

WRITE = 'import sys; open("{home}/effects", "a").write(sys.argv[1] + chr(10))'
FAIL_ONCE = (
    "import os, sys; path = '{home}/failed-' + sys.argv[1]; "
    "there = os.path.exists(path); open(path, 'w').close(); sys.exit(0 if there else 3)"
)


def settings(home: Path, url: str) -> dict:
    """A job with a chain, a branch, a fan, a child that sleeps for ever, and a flaky task."""
    repository = home / "repository"
    if not repository.exists():
        files = {"write.py": WRITE.format(home=home), "flaky.py": FAIL_ONCE.format(home=home)}
        make_repository(repository, files)

    def script(key: str, file: str, *after: str, **more: object) -> dict:
        return {
            "task_key": key,
            "depends_on": [{"task_key": each} for each in after],
            "spark_python_task": {"python_file": file, "parameters": ["{{job.run_id}}." + key]},
            **more,
        }

    daemon = "(sleep 1000 & setsid sleep 1000 &) ; true"
    fan = {
        "task_key": "fan",
        "depends_on": [{"task_key": "first"}],
        "for_each_task": {
            "inputs": [1, 2, 3],
            "concurrency": 2,
            "task": {
                "task_key": "one",
                "spark_python_task": {
                    "python_file": "write.py",
                    "parameters": ["{{job.run_id}}.fan.{{input}}"],
                },
            },
        },
    }
    gate = {"op": "EQUAL_TO", "left": "{{tasks.first.result_state}}", "right": "success"}
    told = {"on_start": [{"id": f"{url}/start"}], "on_failure": [{"id": f"{url}/failure"}]}
    return {
        "name": "hunted",
        "git_source": {"git_url": str(repository), "git_branch": "main"},
        "webhook_notifications": {**told, "on_success": [{"id": f"{url}/success"}]},
        "max_concurrent_runs": 3,
        "tasks": [
            script("first", "write.py"),
            fan,
            {"task_key": "gate", "depends_on": [{"task_key": "first"}], "condition_task": gate},
            {
                **script("yes", "write.py"),
                "depends_on": [{"task_key": "gate", "outcome": "true"}],
            },
            {
                **script("no", "write.py"),
                "depends_on": [{"task_key": "gate", "outcome": "false"}],
            },
            {"task_key": "leaves", "shell_task": {"command": daemon}},
            script("flaky", "flaky.py", "fan", "yes"),
            script("last", "write.py", "flaky"),
        ],
    }


class FastClock:
    """Tells 600 times as much as has passed since the first server of a home began."""

    def __init__(self, home: Path) -> None:
        kept = home / "clock"
        if not kept.exists():
            kept.write_text(repr(time.time()))
        self._began = float(kept.read_text())

    def now(self) -> datetime:
        passed = time.time() - self._began
        return datetime(2026, 3, 1, tzinfo=UTC) + timedelta(seconds=600 * passed)

    def monotonic(self) -> float:
        return self.now().timestamp()

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds / 600)


def scheduled() -> dict:
    """A job that does nothing in each minute."""
    schedule = {"quartz_cron_expression": "0 * * * * ?", "timezone_id": "UTC"}
    gate = {"op": "EQUAL_TO", "left": "1", "right": "1"}
    return {
        "name": "scheduled",
        "max_concurrent_runs": 10,
        "schedule": {**schedule, "missed_runs": "run_all"},
        "tasks": [{"task_key": "gate", "condition_task": gate}],
    }


def main() -> None:
    home, count, url = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    began = time.monotonic()
    changed = threading.Event()

    def heard(event: JobEvent) -> None:
        if event.type == "task.started" and not (home / "first-work").exists():
            (home / "first-work").write_text(str(time.monotonic() - began))
        if event.type == "run.ended":
            changed.set()

    def declared(turn: Turn, key: str, what: dict) -> int:
        found = turn.store.select(JobRow, "key = ?", (key,))
        if found:
            return found[0].job_id
        return create_job(turn, what, root=str(home), creator="me", key=key, source="here")

    with Server(
        home,
        Settings.load({}, lakehouse=home / "lakehouse"),
        listeners=[heard],
        clock=FastClock(home),
        publish_seconds=0.05,
    ) as server:
        reader = server.reader()
        server.ask(lambda turn: declared(turn, "scheduled", scheduled()))
        job = server.ask(lambda turn: declared(turn, "hunted", settings(home, url)))
        accepted = home / "accepted"
        known = accepted.read_text().splitlines() if accepted.exists() else []
        for number in range(len(known), count):
            token = f"run-{number}"
            run = server.ask(
                lambda turn, token=token: run_now(server.scheduler, turn, job, token=token)
            )
            with accepted.open("a") as file:
                file.write(f"{token} {run}\n")
                file.flush()
                os.fsync(file.fileno())
        while True:
            changed.clear()
            rows = reader.select(RunRow, "job_id = ?", (job,))
            for row in rows:
                if row.state == "TERMINATED" and row.result is not Result.SUCCESS:
                    before = reader.select(RepairRow, "run_id = ? ORDER BY number", (row.run_id,))
                    latest = before[-1].repair_id if before else None
                    server.ask(
                        lambda turn, row=row, latest=latest: repair(
                            server.scheduler, turn, row.run_id, all_failed=True, latest=latest
                        )
                    )
            if all(row.result is Result.SUCCESS for row in rows):
                break
            changed.wait(30)
        reader.close()


if __name__ == "__main__":
    main()
