"""Virtual environments for tasks: built once for each set of libraries, and then shared.

An environment lies in a folder named after the hash of what is in it. The programs in it name
their interpreter by its path, so it is built where it stays, under a lock of the operating system,
and a file says last that it is ready: what a killed builder leaves is not taken for an environment.
"""

from __future__ import annotations

import contextlib
import fcntl
import glob
import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import sysconfig
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from lakeflow.core.errors import TaskError
from lakeflow.core.names import nearest

KINDS = ("dependencies", "jar", "pypi", "requirements", "whl")
_REFUSED = {
    "cran": "Install the package into the R of this machine.",
    "egg": "Build a wheel instead.",
    "maven": "Download the JAR and name its file: {jar: path/to/library.jar}.",
}
_BUILT = {
    ".jar": "Build it before the run; deploying builds nothing.",
    ".whl": "Build it with `uv build --wheel` or `pip wheel --no-deps`; deploying builds nothing.",
}
_CODE = "LIBRARY_INSTALLATION_ERROR"
_LAST_LINES = 15

Library = Mapping[str, Any]


def default_folder() -> Path:
    """Where environments are kept if nothing else is said."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "lakeflow" / "environments"


def arguments(libraries: Iterable[Library], root: Path) -> list[str]:
    """What an installer is asked for.

    Args:
        libraries: As in the API: `pypi`, `whl`, `requirements`; `dependencies` are the lines of
            an environment. A `jar` is none of Python's business.
        root: Against which relative paths are taken.

    Raises:
        TaskError: A library cannot be installed here.

    Example:
        >>> arguments([{"pypi": {"package": "six==1.17.0"}}, {"jar": "a.jar"}], Path("/job"))
        ['six==1.17.0']
    """
    found: list[str] = []
    for library in libraries:
        for kind, said in library.items():
            if kind not in KINDS:
                raise TaskError(
                    f"Libraries of the kind {kind} cannot be installed here.",
                    _CODE,
                    hint=_REFUSED.get(kind) or nearest(kind, KINDS) or None,
                )
            match kind:
                case "pypi":
                    found.append(str(said["package"]))
                    found += ["--index-url", str(said["repo"])] if said.get("repo") else []
                case "whl":
                    found.append(str(file_named(said, root)))
                case "requirements":
                    found += ["--requirement", str(file_named(said, root))]
                case "dependencies":
                    found += [word for line in said for word in _requirement(str(line), root)]
    return found


def file_named(said: Any, root: Path) -> Path:
    """The file of a library; `*`, `?` and `[...]` in its path must lead to exactly one.

    Raises:
        TaskError: There is no such file, or more than one.
    """
    text = str(said).removeprefix("file:")
    path = root / text
    if path.is_file():
        return path
    paths = glob.glob(text, root_dir=root)  # noqa: PTH207 - it may be absolute
    found = sorted(each for each in paths if (root / each).is_file())
    if len(found) == 1:
        return root / found[0]
    if found:
        raise TaskError(
            f"{path}, which the libraries name, may be any of these files: {', '.join(found)}.",
            _CODE,
            hint="Remove all but one, or name the one that is meant.",
        )
    build = _BUILT.get(path.suffix)
    raise TaskError(f"There is no file {path}, which the libraries name.", _CODE, hint=build)


def _requirement(line: str, root: Path) -> list[str]:
    """What a line of a requirements file asks for."""
    words = line.split(None, 1)
    if words[0] in ("-r", "--requirement"):
        return ["--requirement", str(file_named(words[1], root))]
    if words[0] in ("-e", "--editable"):
        return ["--editable", str(root / words[1])]
    if line.endswith(".whl") and "://" not in line:
        return [str(file_named(line, root))]
    if line.startswith(("./", "../", "/")):
        return [str(root / line)]
    return words if line.startswith("-") else [line]


def provide(wanted: list[str], root: Path, folder: Path) -> Path:
    """The interpreter of an environment; builds it if it is not there.

    Args:
        wanted: What `arguments` gave.
        root: The folder in which paths inside of requirements are looked for.
        folder: Of all environments.

    Raises:
        TaskError: It could not be built.
    """
    place = folder / _hash(wanted)
    python, ready = place / "bin" / "python", place / "ready"
    if ready.exists():
        return python
    folder.mkdir(parents=True, exist_ok=True)
    with _locked(folder / f"{place.name}.lock"):
        if not ready.exists():
            shutil.rmtree(place, ignore_errors=True)
            _run([sys.executable, "-m", "venv", "--without-pip", str(place)], root)
            _run([*_installer(python), *wanted], root)
            _show_ours(place)
            ready.touch()
    return python


def _hash(wanted: list[str]) -> str:
    """Of what is asked for, and of the content of every file in it."""
    said: list[Any] = [sys.version, __file__, wanted]
    for each in wanted:
        path = Path(each)
        if path.is_file():
            said.append(hashlib.sha256(path.read_bytes()).hexdigest())
    return hashlib.sha256(json.dumps(said).encode()).hexdigest()[:32]


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Holds a lock that ends with this process."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _installer(python: Path) -> list[str]:
    if uv := shutil.which("uv"):
        return [uv, "pip", "install", "--python", str(python)]
    if importlib.util.find_spec("pip") is None:
        raise TaskError(
            "There is neither uv nor pip to install the task's libraries with.",
            _CODE,
            hint="Install uv, or pip beside Lakeflow: python -m ensurepip.",
        )
    options = ["--no-input", "--disable-pip-version-check"]
    return [sys.executable, "-m", "pip", "--python", str(python), "install", *options]


def _run(words: list[str], root: Path) -> None:
    """Runs a step; what it says goes to the task's standard error, its end into the error."""
    last: deque[str] = deque(maxlen=_LAST_LINES)
    with subprocess.Popen(
        words,
        cwd=root,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    ) as program:
        assert program.stdout is not None
        for line in program.stdout:
            sys.stderr.write(line)
            last.append(line.rstrip())
    if program.returncode:
        said = "\n".join(last)
        raise TaskError(f"The task's libraries could not be installed:\n{said}", _CODE)


def _show_ours(place: Path) -> None:
    """Lets the environment see what is installed beside Lakeflow, behind what is its own."""
    paths = sysconfig.get_paths("venv", {"base": str(place), "platbase": str(place)})
    ours = dict.fromkeys(sysconfig.get_path(name) for name in ("purelib", "platlib"))
    lines = [f"import site; site.addsitedir({path!r})" for path in ours]
    (Path(paths["purelib"]) / "lakeflow.pth").write_text("\n".join(lines) + "\n")
