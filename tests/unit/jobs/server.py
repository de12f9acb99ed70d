"""A small server that is killed: starts attempts of several kinds and says when all of them run."""

from __future__ import annotations

import sys
import threading
from pathlib import Path

from lakeflow.jobs.work import Assignment
from lakeflow.jobs.workers.pool import Workers

DAEMON = """
import os, sys, time
told, tell = os.pipe()
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        print("daemon", os.getpid(), flush=True)
        os.write(tell, b"!")
        time.sleep(600)
    os._exit(0)
os.wait()
os.read(told, 1)
"""
"""Leaves a process that has detached itself, and goes on once that has said its number."""


def main(home: str, root: Path) -> None:
    (root / "script.py").write_text(f"{DAEMON}\nprint('begun')\ntime.sleep(600)\n")
    workers = Workers(home)
    script = ("spark_python_task", {"python_file": "script.py"})
    shell = ("shell_task", {"command": "sleep 600 & setsid sleep 600 & echo begun; wait"})
    for number, ((kind, settings), fields) in enumerate(
        [
            (script, {}),
            (script, {"warm": False}),
            (script, {"cluster": "shared"}),
            (shell, {}),
            (shell, {"warm": False}),
        ]
    ):
        assignment = Assignment(number, 1, kind, settings, root / str(number), root, **fields)
        workers.start(
            assignment,
            lambda attempt, epoch, process: print("started", process.pid, process.started),
            lambda attempt, epoch, outcome: print("ended", outcome),
        )
    sys.stdout.flush()
    threading.Event().wait()


if __name__ == "__main__":
    sys.stdout.reconfigure(line_buffering=True)
    main(sys.argv[1], Path(sys.argv[2]))
