"""`shell_task`: a command line, or a program with its arguments."""

from __future__ import annotations

import shutil

from lakeflow.jobs.tasks import program
from lakeflow.jobs.tasks.context import Context, Done


def run(context: Context) -> Done:
    """Runs the command in the folder of the job."""
    command = context.required("command")
    if isinstance(command, str):
        shell = shutil.which("bash") or "/bin/sh"
        return program.run([shell, "-c", command], context.assignment.root)
    return program.run([str(word) for word in command], context.assignment.root)
