"""The cases that only our server runs, and how it is started, asked and looked at."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import psutil

HERE = Path(__file__).parent
ROOT = HERE.parents[1]

EMPTY = "empty.py"
SLEEPING = "sleeping.py"
MEANWHILE = 20
"""Seconds for which an idle server is looked at."""

SETTLED = 25
"""Seconds after which it is: what has happened is published within 15."""


@dataclass(frozen=True, slots=True)
class Figure:
    """A line of the report.

    Args:
        name: What was measured.
        values: As often as it was, all of one unit.
        unit: Such as `ms`.
        wanted: At most so much; None if nothing was promised.
        note: What else is to be said.
    """

    name: str
    values: Sequence[float]
    unit: str
    wanted: float | None = None
    note: str = ""

    def __str__(self) -> str:
        middle = median(self.values)
        line = f"    {self.name:52} {middle:9.2f} {self.unit}"
        if len(self.values) > 1:
            line += f"  ({min(self.values):.2f} to {max(self.values):.2f})"
        if self.wanted is not None:
            kept = "kept" if middle <= self.wanted else "MISSED"
            line += f"  wanted: at most {self.wanted:g} {self.unit}, {kept}"
        return f"{line}  {self.note}".rstrip()


def variables() -> dict[str, str]:
    """The environment of what is measured."""
    # Without bytecode Python would compile every module anew at each start.
    left_out = ("LAKEFLOW_", "PYTHONDONTWRITEBYTECODE")
    return {k: v for k, v in os.environ.items() if not k.startswith(left_out)}


def tree(process: subprocess.Popen[bytes]) -> list[psutil.Process]:
    """A process and everything that it has started."""
    top = psutil.Process(process.pid)
    return [top, *top.children(recursive=True)]


class Asked:
    """A server in a process of its own.

    Args:
        folder: Its home is in it, and the files of its tasks.
        arguments: Of `benchmarks.jobs.server`.
    """

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        (folder / EMPTY).write_text("def nothing():\n    pass\n")
        (folder / SLEEPING).write_text("import time\n\ntime.sleep(3600)\n")
        self._log = (folder / "server.log").open("ab")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.jobs.server", folder / "home", *arguments],
            cwd=ROOT,
            env=variables(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
        )
        self._answer()

    def _answer(self) -> dict[str, Any]:
        line = self.process.stdout.readline()
        if not line:
            said = (self.folder / "server.log").read_text()
            raise SystemExit(f"The measured server has ended:\n{said[-4000:]}")
        return json.loads(line)

    def ask(self, do: str, **arguments: Any) -> dict[str, Any]:
        """Has something done."""
        self.process.stdin.write(json.dumps({"do": do, **arguments}).encode() + b"\n")
        self.process.stdin.flush()
        return self._answer()

    def seconds(self, settings: dict[str, Any]) -> float:
        """How long a run takes from the request to the answer that it is over."""
        began = time.perf_counter()
        self.ask("run", settings=settings)
        return time.perf_counter() - began

    def kill(self) -> None:
        """Ends it as a failure would."""
        self.process.send_signal(signal.SIGKILL)
        self._close()

    def close(self) -> None:
        """Ends it."""
        self.process.stdin.close()
        self._close()

    def _close(self) -> None:
        self.process.wait()
        self.process.stdout.close()
        self._log.close()


@contextmanager
def server(folder: Path, *arguments: str) -> Iterator[Asked]:
    """A server with nothing in its home."""
    shutil.rmtree(folder, ignore_errors=True)
    asked = Asked(folder, *arguments)
    try:
        yield asked
    finally:
        asked.close()
    shutil.rmtree(folder)


@contextmanager
def serving(folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """The command `lakeflow serve` over a home that is there; the folder is removed afterwards."""
    with (folder / "serve.log").open("wb") as log:
        command = subprocess.Popen(
            [sys.executable, "-m", "lakeflow", "serve", "--home", folder / "home", "--port", "0"],
            cwd=folder,
            env=variables(),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    try:
        yield command
        if command.poll() is not None:
            raise SystemExit(f"lakeflow serve has ended:\n{(folder / 'serve.log').read_text()}")
    finally:
        command.terminate()
        command.wait()
    shutil.rmtree(folder)


CONDITION = {"condition_task": {"op": "EQUAL_TO", "left": "1", "right": "1"}}
INLINE = {"sql_task": {"statement": "SELECT 1"}}
SCRIPT = {"spark_python_task": {"python_file": EMPTY}}
FUNCTION = {"python_operator_task": {"main": "empty.nothing"}}


def chain(action: dict[str, Any], count: int, **settings: Any) -> dict[str, Any]:
    """Tasks of which each waits for the one before."""
    tasks = [
        {
            "task_key": f"task{n}",
            "depends_on": [{"task_key": f"task{n - 1}"}] if n else [],
            **action,
        }
        for n in range(count)
    ]
    return {"name": "chain", "tasks": tasks, **settings}


def fan(action: dict[str, Any], count: int, **settings: Any) -> dict[str, Any]:
    """Tasks that wait for nothing."""
    tasks = [{"task_key": f"task{n}", **action} for n in range(count)]
    return {"name": "fan", "tasks": tasks, **settings}


def iterations(action: dict[str, Any], count: int, concurrency: int) -> dict[str, Any]:
    """A for-each over numbers."""
    inside = {"task_key": "one", **action}
    loop = {"inputs": list(range(count)), "concurrency": concurrency, "task": inside}
    return {"name": "loop", "tasks": [{"task_key": "loop", "for_each_task": loop}]}


FRESH = {"performance_target": "STANDARD"}
"""A new process for each task."""


@dataclass(slots=True)
class Measuring:
    """Measures our server alone.

    Args:
        folder: Where its homes are put.
        runs: How often each figure is taken.
        figures: What was found.
    """

    folder: Path
    runs: int
    figures: list[Figure] = field(default_factory=list)

    def all(self) -> list[Figure]:
        """Every case in turn."""
        self.per_task()
        self.large()
        self.same_minute()
        self.restart()
        self.idle()
        return self.figures

    def _add(self, *about: Any, **more: Any) -> None:
        self.figures.append(Figure(*about, **more))
        print(self.figures[-1], file=sys.stderr)

    def _each(self, asked: Asked, job: dict[str, Any]) -> list[float]:
        """Milliseconds per task, over several runs after one that is not counted."""
        asked.seconds(job)
        return [asked.seconds(job) * 1000 / len(job["tasks"]) for _ in range(self.runs)]

    def per_task(self) -> None:
        """Tasks in a row, on each kind of place."""
        with server(self.folder / "lane", "--nothing") as asked:
            self._add("condition", self._each(asked, chain(CONDITION, 100)), "ms", 5)
            self._add("lane of SQL, nothing done", self._each(asked, chain(INLINE, 100)), "ms", 5)
        with server(self.folder / "places") as asked:
            self._add("SELECT 1", self._each(asked, chain(INLINE, 20)), "ms")
            for name, action in (("script", SCRIPT), ("function", FUNCTION)):
                found = self._each(asked, chain(action, 20))
                self._add(f"{name} on a warm worker", found, "ms", 30)
            for name, action in (("script", SCRIPT), ("function", FUNCTION)):
                found = self._each(asked, chain(action, 10, **FRESH))
                self._add(f"{name} in a fresh process", found, "ms", 150)

    def large(self) -> None:
        """Many tasks in one run."""
        with server(self.folder / "lane", "--nothing") as asked:
            for shape in (fan, chain):
                job = shape(INLINE, 1000)
                found = [asked.seconds(job) for _ in range(self.runs)]
                self._add(f"1,000-task {job['name']}, nothing done", found, "s")
            found = [asked.seconds(iterations(INLINE, 10_000, 8)) for _ in range(self.runs)]
            self._add("10,000 iterations, nothing done", found, "s")
        with server(self.folder / "places") as asked:
            for shape in (fan, chain):
                job = shape(SCRIPT, 1000)
                self._add(f"1,000-task {job['name']} of scripts, warm", [asked.seconds(job)], "s")

    def same_minute(self) -> None:
        """Five hundred jobs whose schedules tick at the same moment."""
        for name, action in (("conditions", CONDITION), ("scripts", SCRIPT)):
            middle, late, over, turns = [], [], [], set()
            for _ in range(self.runs if action is CONDITION else 1):
                with server(self.folder / "ticks") as asked:
                    found = asked.ask("ticks", settings=chain(action, 1), count=500, seconds=8)
                committed = sorted(found["committed"])
                middle.append(median(committed))
                late.append(committed[round(0.99 * len(committed)) - 1])
                over.append(max(found["ended"]))
                turns.add(found["turns"])
            self._add(f"500 ticks of {name}: p50 to committed run", middle, "s")
            note = f"in {' or '.join(map(str, sorted(turns)))} transaction"
            self._add(f"500 ticks of {name}: p99 to committed run", late, "s", 1, note)
            self._add(f"500 ticks of {name}: to the end of the last run", over, "s")

    def restart(self) -> None:
        """From SIGKILL of a server that is busy to one that is as busy."""
        busy = 8
        job = {**fan({"spark_python_task": {"python_file": SLEEPING}}, busy), "name": "busy"}
        found = []
        for _ in range(self.runs):
            folder = self.folder / "restart"
            shutil.rmtree(folder, ignore_errors=True)
            asked = Asked(folder)
            asked.ask("create", jobs=scheduled(100))
            asked.ask("run", settings=fan(CONDITION, 1000))
            asked.ask("run", settings=job, wait=False)
            asked.ask("run", settings=job, wait=False)
            asked.ask("started", count=busy)
            asked.kill()
            began = time.perf_counter()
            asked = Asked(folder)
            asked.ask("started", count=busy)
            found.append(time.perf_counter() - began)
            asked.close()
            shutil.rmtree(folder)
        self._add(f"restart after SIGKILL until {busy} tasks run again", found, "s", 2)

    def idle(self) -> None:
        """The command, with its API, that waits for a hundred schedules."""
        folder = self.folder / "idle"
        shutil.rmtree(folder, ignore_errors=True)
        asked = Asked(folder)
        asked.ask("create", jobs=scheduled(100))
        asked.close()
        with serving(folder) as command:
            time.sleep(SETTLED)
            processes = tree(command)
            before = sum(map(_cpu, processes))
            time.sleep(MEANWHILE)
            used = sum(map(_cpu, processes)) - before
            note = f"{len(processes)} processes, {MEANWHILE} s"
            self._add("idle CPU, 100 schedules", [100 * used / MEANWHILE], "%", 1, note)
            own, *others = [each.memory_full_info() for each in processes]
            self._add("idle memory of the server (resident)", [own.rss / 2**20], "MiB")
            shared = sum(each.pss for each in [own, *others]) / 2**20
            self._add("idle memory of all its processes (proportional)", [shared], "MiB")


def scheduled(count: int) -> list[dict[str, Any]]:
    """Jobs that wait for hours."""
    away = time.gmtime(time.time() + 6 * 3600)
    schedule = {
        "quartz_cron_expression": f"0 {{}} {away.tm_hour} * * ?",
        "timezone_id": "UTC",
    }
    return [
        {
            **chain(SCRIPT, 1),
            "name": f"scheduled {n}",
            "schedule": {
                **schedule,
                "quartz_cron_expression": schedule["quartz_cron_expression"].format(n % 60),
            },
        }
        for n in range(count)
    ]


def _cpu(process: psutil.Process) -> float:
    used = process.cpu_times()
    return used.user + used.system
