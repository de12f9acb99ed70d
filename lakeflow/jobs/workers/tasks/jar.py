"""`spark_jar_task`: a class of the JARs that the task names, run by `java`."""

from __future__ import annotations

import os

from lakeflow.core.errors import TaskError
from lakeflow.jobs.workers import environments
from lakeflow.jobs.workers.tasks import program
from lakeflow.jobs.workers.tasks.context import Context, Done


def run(context: Context) -> Done:
    """Runs the class's `main`."""
    main = str(context.required("main_class_name"))
    root = context.assignment.root
    named = (each["jar"] for each in context.assignment.libraries if "jar" in each)
    paths = [environments.file_named(each, root) for each in named]
    if not paths:
        raise TaskError(
            f"spark_jar_task: no JAR is named in which {main} could be found.",
            "INVALID_RUN_CONFIGURATION",
            hint="Name it in the task's libraries: {jar: path/to/program.jar}.",
        )
    java = program.find("java", "Install a Java runtime, such as Temurin 17 or openjdk-17-jre.")
    words = [java, "-cp", os.pathsep.join(map(str, paths)), main]
    return program.run([*words, *map(str, context.settings.get("parameters") or ())], root)
