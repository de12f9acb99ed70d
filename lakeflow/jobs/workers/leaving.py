"""How a forked worker ends without paying for what it shares with its parent.

Python ends by giving up every object, and each page of memory that it touches to do so is first
copied from the parent's: that takes longer than an empty task. Here only what the task has made is
given up, and what would have been written then is written.
"""

from __future__ import annotations

import _thread
import atexit
import contextlib
import ctypes
import gc
import io
import sys
import threading
import weakref
from importlib.machinery import ExtensionFileLoader
from types import ModuleType

from lakeflow.jobs.workers.tasks import program

_FILES = (io.TextIOWrapper, io.BufferedWriter, io.BufferedRandom)
"""Those that write into others come first."""


def modules() -> frozenset[int]:
    """What is loaded now."""
    return frozenset(map(id, sys.modules.values()))


def leave(code: int, shared: frozenset[int]) -> None:
    """Ends this process; returns if that has to be left to Python.

    It has where native code was loaded or threads go on, for they may depend on how it ends.

    Args:
        code: The exit code.
        shared: What was loaded when it was forked; nothing of that is given up.
    """
    own = [module for module in sys.modules.values() if id(module) not in shared]
    if any(_is_native(module) for module in own):
        return
    threading._shutdown()  # type: ignore[attr-defined]  # what multiprocessing calls in its forks
    atexit._run_exitfuncs()
    if _thread._count():
        return
    del own
    _give_up(shared)
    _flush()
    # The end of the program, of C: what C libraries have to write is written. With the lock held.
    ctypes.PyDLL(None).exit(code)


def _is_native(module: ModuleType) -> bool:
    loader = getattr(getattr(module, "__spec__", None), "loader", None)
    return isinstance(loader, ExtensionFileLoader)


def _give_up(shared: frozenset[int]) -> None:
    """Lets go of the modules of the task, the newest first, as Python would."""
    for name in ("last_type", "last_value", "last_traceback", "last_exc"):
        vars(sys).pop(name, None)
    alive: list[weakref.ref[ModuleType]] = []
    for name in [n for n, m in reversed(sys.modules.items()) if id(m) not in shared]:
        module = sys.modules.pop(name)
        if isinstance(module, ModuleType):
            alive.append(weakref.ref(module))
        del module
    gc.collect()
    for each in alive:
        if (found := each()) is not None:
            vars(found).clear()
    gc.collect()


def _flush() -> None:
    """Writes what files hold that something shared still knows."""
    program.flush()
    objects = gc.get_objects()
    for kind in _FILES:
        for each in objects:
            if issubclass(type(each), kind):
                with contextlib.suppress(OSError, ValueError):
                    each.flush()
