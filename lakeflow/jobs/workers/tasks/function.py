"""`python_operator_task`: a function called with named parameters."""

from __future__ import annotations

import inspect
import json
import os
import sys

from lakeflow.core.errors import TaskError
from lakeflow.jobs.workers.tasks.context import Context, Done, load
from lakeflow.jobs.workers.tasks.namespace import namespace
from lakeflow.jobs.workers.tasks.nested import run_notebook


def run(context: Context) -> Done:
    """Calls the function; what it returns is the task's output if JSON can say it."""
    os.chdir(context.assignment.root)
    sys.path.insert(0, str(context.assignment.root))
    namespace(context, dict(context.assignment.parameters), run_notebook)
    function = load(str(context.required("main")))
    if isinstance(function, type):
        raise TaskError(
            f"python_operator_task.main: {context.settings['main']} is a class.",
            "INVALID_RUN_CONFIGURATION",
            hint="Name a function that makes an instance and does the work.",
        )
    found = function(**_arguments(context))
    if inspect.iscoroutine(found):
        import asyncio

        found = asyncio.run(found)
    try:
        json.dumps(found)
    except (TypeError, ValueError):
        return Done()
    return Done() if found is None else Done({"result": found})


def _arguments(context: Context) -> dict[str, object]:
    given = context.settings.get("parameters") or []
    if not isinstance(given, list) or not all("name" in each for each in given):
        raise TaskError(
            "python_operator_task.parameters is a list of {name, value}.",
            "INVALID_RUN_CONFIGURATION",
        )
    return {each["name"]: each.get("value") for each in given}
