"""`spark_python_task`: a Python file, run as `python FILE PARAMETERS` would run it."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from types import ModuleType

from lakeflow.jobs.tasks.context import Context, Done


def run(context: Context) -> Done:
    """Runs the file in this process."""
    file = context.file("python_file")
    run_file(file, [str(each) for each in context.settings.get("parameters", ())])
    return Done()


def run_file(file: Path, arguments: list[str]) -> None:
    """Runs a Python file as the program of this process."""
    os.chdir(file.parent)
    sys.argv[:] = [str(file), *arguments]
    sys.path.insert(0, str(file.parent))
    module = new_main(str(file))
    code = compile(file.read_bytes(), str(file), "exec", dont_inherit=True)
    exec(code, module.__dict__)


def new_main(file: str) -> ModuleType:
    """An empty `__main__` for this process, where pickles and new processes look for it."""
    module = ModuleType("__main__")
    module.__file__ = file
    module.__dict__["__builtins__"] = __builtins__
    sys.modules["__main__"] = module
    return module
