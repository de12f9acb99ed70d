"""When and in what order things run; what runs is handed in from above.

The names that users declare jobs with are offered here and loaded when they are asked for.
"""

import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lakeflow.jobs.python.actions import (
        alert,
        condition,
        dbt,
        for_each,
        function,
        jar,
        notebook,
        other,
        pipeline,
        r,
        run_job,
        scala,
        script,
        shell,
        sql,
        wheel,
    )
    from lakeflow.jobs.python.builder import continuous, cron, every, files, job, tables, task

__all__ = [
    "alert",
    "condition",
    "continuous",
    "cron",
    "dbt",
    "every",
    "files",
    "for_each",
    "function",
    "jar",
    "job",
    "notebook",
    "other",
    "pipeline",
    "r",
    "run_job",
    "scala",
    "script",
    "shell",
    "sql",
    "tables",
    "task",
    "wheel",
]


_HOMES = {
    "actions": (
        "alert condition dbt for_each function jar notebook other pipeline r run_job scala script "
        "shell sql wheel"
    ),
    "builder": "continuous cron every files job tables task",
}

if not TYPE_CHECKING:  # else a name that is not there would pass for Any

    def __getattr__(name: str) -> Any:
        import importlib

        for home, names in _HOMES.items():
            if name in names.split():
                return getattr(importlib.import_module(f"{__name__}.python.{home}"), name)
        raise AttributeError(
            f"module {__name__!r} has no attribute {name!r}", name=name, obj=sys.modules[__name__]
        )
