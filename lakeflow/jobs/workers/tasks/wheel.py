"""`python_wheel_task`: the entry point of an installed package."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable
from importlib import metadata
from typing import Any

from lakeflow.core.errors import TaskError
from lakeflow.core.names import nearest
from lakeflow.jobs.workers.tasks.context import Context, Done
from lakeflow.jobs.workers.tasks.namespace import namespace
from lakeflow.jobs.workers.tasks.nested import run_notebook


def run(context: Context) -> Done:
    """Calls the entry point; it reads its parameters from `sys.argv`."""
    package, name = str(context.required("package_name")), str(context.required("entry_point"))
    parameters = _arguments(context)
    os.chdir(context.assignment.root)
    namespace(context, dict(context.assignment.parameters), run_notebook)
    function = _entry_point(package, name)
    sys.argv[:] = [package, *parameters]
    function()
    return Done()


def _arguments(context: Context) -> list[str]:
    listed, named = (context.settings.get(name) for name in ("parameters", "named_parameters"))
    if listed and named:
        raise TaskError(
            "python_wheel_task has parameters and named_parameters; only one of them can be given.",
            "INVALID_RUN_CONFIGURATION",
        )
    if listed:
        return [str(each) for each in listed]
    pairs = {**(named or {}), **context.assignment.parameters}
    return [f"--{name}={value}" for name, value in pairs.items()]


def _entry_point(package: str, name: str) -> Callable[[], Any]:
    """What the package's metadata call by this name, or its function of this name."""
    try:
        found = metadata.distribution(package).entry_points.select(name=name)
    except metadata.PackageNotFoundError:
        found = metadata.EntryPoints()
    for each in found:
        return each.load()  # type: ignore[no-any-return]
    module_name = package.replace("-", "_")
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name != module_name:
            raise
        raise TaskError(
            f"The package {package} is not installed where the task runs.",
            "RESOURCE_NOT_FOUND",
            hint="Name its wheel in the task's libraries: {whl: dist/package.whl}.",
        ) from error
    function = getattr(module, name, None)
    if not callable(function):
        known = [each for each in dir(module) if callable(getattr(module, each))]
        raise TaskError(
            f"The package {package} has no entry point and no function {name}.",
            "RESOURCE_NOT_FOUND",
            hint=nearest(name, known) or None,
        )
    return function  # type: ignore[no-any-return]
