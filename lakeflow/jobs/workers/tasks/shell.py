"""`shell_task`: a command line, or a program with its arguments."""

from __future__ import annotations

from lakeflow.jobs.workers.tasks import program
from lakeflow.jobs.workers.tasks.context import Context, Done


def run(context: Context) -> Done:
    """Runs the command in the folder of the job."""
    command = context.required("command")
    parameters = [str(each) for each in context.settings.get("parameters") or ()]
    if isinstance(command, str):
        shell = program.shell()
        return program.run([shell, "-c", command, shell, *parameters], context.assignment.root)
    return program.run([*map(str, command), *parameters], context.assignment.root)
