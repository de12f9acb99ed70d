"""Runs a Python file and gives back the jobs that it declares."""

from __future__ import annotations

import sys
import traceback
import types
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

from lakeflow.core.errors import ConfigurationError, LakeflowError
from lakeflow.core.location import Location
from lakeflow.core.names import nearest
from lakeflow.jobs.python.declarations import DeclaredJob, declarations


@dataclass(frozen=True, slots=True)
class Collected:
    """What a file declares.

    Args:
        jobs: In their order.
        errors: What is wrong with them or with the file, each with its place.
    """

    jobs: tuple[DeclaredJob, ...]
    errors: tuple[LakeflowError, ...]


def collect(file: Path, root: Path | None = None) -> Collected:
    """Runs a file for the jobs that it declares.

    Functions of the file are importable under its path below `root`, which is how a process
    that runs one of them as a task finds it.

    Args:
        file: The Python file.
        root: Folder of the project; the file's own if omitted.
    """
    root = (root or file.parent).resolve()
    with declarations() as found:
        try:
            _run(file, root)
        except LakeflowError as error:
            found.errors.append(error)
    first: dict[str, DeclaredJob] = {}
    for job in found.jobs:
        if first.setdefault(job.name, job) is not job:
            found.errors.append(
                ConfigurationError(
                    f"There are two jobs {job.name!r}.",
                    location=job.location,
                    hint=f"The other one is at {first[job.name].location}.",
                )
            )
    found.errors += [
        ConfigurationError(
            f"Job {job.name!r} runs a job {key!r}, which {file.name} does not declare.",
            location=job.location,
            hint=nearest(key, first) or "Give the id of a job that is declared elsewhere.",
        )
        for job in found.jobs
        for key in sorted(job.runs - first.keys())
    ]
    return Collected(tuple(found.jobs), tuple(found.errors))


def _run(file: Path, root: Path) -> None:
    try:
        code = compile(file.read_text(encoding="utf-8-sig"), str(file), "exec")
    except OSError as error:
        raise ConfigurationError(f"{file} cannot be read: {error.strerror}.") from error
    except (SyntaxError, ValueError) as error:
        place = Location(str(file), getattr(error, "lineno", None) or 1)
        raise ConfigurationError(f"Python cannot read it: {error}.", location=place) from error
    with _importable(file, root) as module:
        try:
            # What a file of jobs prints is for people; stdout may be read by a program.
            with redirect_stdout(sys.stderr):
                exec(code, module.__dict__)
        except LakeflowError:
            raise
        except (Exception, SystemExit) as error:
            frames = traceback.extract_tb(error.__traceback__)
            lines = [each.lineno for each in frames if each.filename == str(file) and each.lineno]
            raise ConfigurationError(
                f"{type(error).__name__} while the file was run: {error}",
                location=Location(str(file), lines[-1] if lines else 1),
                hint=_meant(error),
            ) from error


@contextmanager
def _importable(file: Path, root: Path) -> Iterator[types.ModuleType]:
    """A module for the file; what it imports from its project is forgotten afterwards.

    A server runs the file again after an edit and must see the edit, also in what it imports.
    """
    before = dict(sys.modules)
    module = types.ModuleType(_module_name(file.resolve(), root))
    module.__file__ = str(file)
    sys.modules[module.__name__] = module
    sys.path.insert(0, str(root))
    try:
        yield module
    finally:
        sys.path.remove(str(root))
        for name, loaded in list(sys.modules.items()):
            home = getattr(loaded, "__file__", None)
            if name not in before and home and Path(home).resolve().is_relative_to(root):
                del sys.modules[name]


def _module_name(file: Path, root: Path) -> str:
    """Its name for imports; one with a blank, which none can have, if it cannot be imported."""
    if file.is_relative_to(root):
        parts = file.relative_to(root).with_suffix("").parts
        taken = parts[0] in sys.modules or parts[0] in sys.stdlib_module_names
        if not taken and all(part.isidentifier() for part in parts):
            return ".".join(parts)
    return f"jobs of {file.stem}"


def _meant(error: BaseException) -> str | None:
    """The attribute of a module that was perhaps meant."""
    if isinstance(error, AttributeError) and isinstance(error.obj, types.ModuleType):
        public = getattr(error.obj, "__all__", None) or dir(error.obj)
        return nearest(str(error.name), public) or None
    return None
