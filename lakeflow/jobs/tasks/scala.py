"""`scala_task`: a script in Scala; a type of our own."""

from __future__ import annotations

from lakeflow.jobs.tasks import program
from lakeflow.jobs.tasks.context import Context, Done


def run(context: Context) -> Done:
    """Runs the script with `scala`."""
    file = context.file("file")
    found = program.find(
        "scala", "Install Scala 3 (its `scala` runs scripts), for example with `cs install scala`."
    )
    parameters = [str(each) for each in context.settings.get("parameters") or ()]
    # Scala 3 takes what stands before `--` for sources.
    words = [found, str(file), *(["--", *parameters] if parameters else [])]
    return program.run(words, context.assignment.root)
