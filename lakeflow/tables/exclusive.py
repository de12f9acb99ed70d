"""A rename that refuses a taken name, for file systems without hard links."""

from __future__ import annotations

import errno
import os
from pathlib import Path

_HERE = -100  # AT_FDCWD: relative paths are the process's
_NO_REPLACE = 1


def rename_exclusively(source: Path, target: Path) -> None:
    """Gives a file another name, unless that is taken.

    Raises:
        FileExistsError: The name is taken.
        OSError: The system or the file system has no such rename, among other reasons.
    """
    import ctypes

    library = ctypes.CDLL(None, use_errno=True)
    if not hasattr(library, "renameat2"):
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS), str(target))
    names = (_HERE, os.fsencode(source), _HERE, os.fsencode(target))
    if library.renameat2(*names, _NO_REPLACE) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code), str(target))
