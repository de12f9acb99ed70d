"""`r_task`: a script in R; a type of our own."""

from __future__ import annotations

from lakeflow.jobs.workers.tasks import program
from lakeflow.jobs.workers.tasks.context import Context, Done


def run(context: Context) -> Done:
    """Runs the script with `Rscript`."""
    file = context.file("file")
    found = program.find("Rscript", "Install R, such as the package r-base-core.")
    parameters = [str(each) for each in context.settings.get("parameters") or ()]
    return program.run([found, str(file), *parameters], context.assignment.root)
