"""A real server that is told what to do in lines of JSON; it answers each with one.

python -m benchmarks.jobs.server HOME [--nothing]

With `--nothing` a task that does nothing takes the place of SQL's, so that what is measured is the
lane in which SQL runs, without the query.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from lakeflow.core.settings import Settings
from lakeflow.jobs.control import create_job, run_now, submit
from lakeflow.jobs.rows import JobEvent, RunRow
from lakeflow.jobs.work import Assignment
from lakeflow.server import compose


class Nothing:
    """A task in the server that does nothing."""

    def __init__(self, settings: Settings) -> None:
        pass

    def run(self, _: Assignment) -> Mapping[str, Any]:
        return {}

    def cancel(self) -> None:
        pass


class Told:
    """What the scheduler has told, and when."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._at: dict[str, list[tuple[int | None, float]]] = {}

    def hear(self, event: JobEvent) -> None:
        now = time.time()
        with self._changed:
            self._at.setdefault(event.type, []).append((event.run_id, now))
            self._changed.notify_all()

    def count(self, kind: str) -> int:
        return len(self._at.get(kind, ()))

    def wait(self, kind: str, count: int) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self.count(kind) >= count)

    def wait_for_end(self, run_id: int) -> None:
        seen = 0

        def over() -> bool:
            nonlocal seen
            ended = self._at.get("run.ended", [])
            found = any(number == run_id for number, _ in ended[seen:])
            seen = len(ended)
            return found

        with self._changed:
            self._changed.wait_for(over)

    def since(self, kind: str, runs: Mapping[int, object]) -> list[float]:
        return [at for number, at in self._at.get(kind, ()) if number in runs]


class Program:
    """What can be asked."""

    def __init__(self, server: compose.Server, told: Told, root: Path) -> None:
        self._server = server
        self._told = told
        self._root = str(root)

    def run(self, settings: dict[str, Any], wait: bool = True) -> dict[str, Any]:
        """Submits a run and waits for its end."""
        server = self._server
        run_id = server.ask(
            lambda turn: submit(server.scheduler, turn, settings, root=self._root, creator="me")
        )
        if not wait:
            return {"run_id": run_id}
        self._told.wait_for_end(run_id)
        reader = server.reader()
        row = reader.find(RunRow, run_id)
        reader.close()
        assert row is not None
        if row.result != "SUCCESS":
            raise SystemExit(f"A measured run is {row.result}: {row.message}")
        return {"run_id": run_id}

    def create(self, jobs: list[dict[str, Any]], run: bool = False) -> dict[str, Any]:
        """Saves jobs, and begins a run of each."""
        server = self._server
        ids = server.ask(
            lambda turn: [create_job(turn, job, root=self._root, creator="me") for job in jobs]
        )
        if run:
            for job_id in ids:
                server.ask(lambda turn, job_id=job_id: run_now(server.scheduler, turn, job_id))
        return {"jobs": ids}

    def ticks(self, settings: dict[str, Any], count: int, seconds: int) -> dict[str, Any]:
        """Saves jobs with the same tick, some seconds from now.

        Returns:
            Seconds from the tick until each run was committed, and until it ended; and in how many
            transactions they were.
        """
        tick = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=seconds)
        schedule = {
            "quartz_cron_expression": f"{tick:%-S %-M %-H} * * ?",
            "timezone_id": "UTC",
        }
        before = self._told.count("run.ended")
        self.create([{**settings, "name": f"job {n}", "schedule": schedule} for n in range(count)])
        if datetime.now(UTC) >= tick:
            raise SystemExit("The tick came before its jobs were saved.")
        self._told.wait("run.ended", before + count)
        reader = self._server.reader()
        found = reader.select(RunRow, "trigger = 'PERIODIC' AND created >= ?", (_millis(tick),))
        reader.close()
        runs = {row.run_id: row for row in found}
        if len(runs) != count:
            raise SystemExit(f"{count} ticks began {len(runs)} runs.")
        return {"turns": len({row.created for row in found})} | {
            name: [at - tick.timestamp() for at in self._told.since(kind, runs)]
            for name, kind in (("committed", "run.accepted"), ("ended", "run.ended"))
        }

    def started(self, count: int) -> dict[str, Any]:
        """Waits until so many tasks have begun since this process did."""
        self._told.wait("task.started", count)
        return {}


def _millis(instant: datetime) -> int:
    return int(instant.timestamp() * 1000)


def main() -> None:
    home = Path(sys.argv[1])
    if "--nothing" in sys.argv:
        compose.SqlTask = Nothing
    told = Told()
    settings = Settings.load({}, lakehouse=home / "lakehouse")
    with compose.Server(home, settings, listeners=[told.hear]) as server:
        program = Program(server, told, home.parent)
        print(json.dumps({"ready": True}), flush=True)
        for line in sys.stdin:
            asked = json.loads(line)
            print(json.dumps(getattr(program, asked.pop("do"))(**asked)), flush=True)


if __name__ == "__main__":
    main()
