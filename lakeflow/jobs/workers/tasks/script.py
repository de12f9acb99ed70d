"""`spark_python_task`: a Python file, run as `python FILE PARAMETERS` would run it."""

from __future__ import annotations

import os
import sys
from types import ModuleType

from lakeflow.jobs.workers.tasks.context import Context, Done
from lakeflow.jobs.workers.tasks.namespace import namespace
from lakeflow.jobs.workers.tasks.nested import run_notebook


def run(context: Context) -> Done:
    """Runs the file in this process."""
    file = context.file("python_file")
    os.chdir(file.parent)
    sys.argv[:] = [str(file), *(str(each) for each in context.settings.get("parameters") or ())]
    sys.path[:0] = [str(file.parent), str(context.assignment.root)]
    names = new_main(str(file)).__dict__
    names |= namespace(context, dict(context.assignment.parameters), run_notebook)
    exec(compile(file.read_bytes(), str(file), "exec", dont_inherit=True), names)
    return Done()


def new_main(file: str) -> ModuleType:
    """An empty `__main__` for this process, where pickles and new processes look for it."""
    module = ModuleType("__main__")
    module.__file__ = file
    module.__dict__["__builtins__"] = __builtins__
    sys.modules["__main__"] = module
    return module
