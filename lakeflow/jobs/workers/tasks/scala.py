"""`scala_task`: a script in Scala; a type of our own."""

from __future__ import annotations

import subprocess

from lakeflow.jobs.workers.tasks import program
from lakeflow.jobs.workers.tasks.context import Context, Done


def run(context: Context) -> Done:
    """Runs the script with `scala`."""
    file = context.file("file")
    found = program.find(
        "scala", "Install Scala 3 (its `scala` runs scripts), for example with `cs install scala`."
    )
    parameters = [str(each) for each in context.settings.get("parameters") or ()]
    if parameters and _takes_sources(found):
        parameters.insert(0, "--")
    return program.run([found, str(file), *parameters], context.assignment.root)


def _takes_sources(scala: str) -> bool:
    """Whether this `scala` takes all words for sources that do not stand behind `--`.

    Since 3.5 it is the runner that was called Scala CLI; that tells two versions.
    """
    said = subprocess.run([scala, "-version"], capture_output=True, text=True, check=False)
    return "(default)" in said.stdout + said.stderr
