"""Rights of files that hold for root too, as in a container, where tests mostly run."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager

_VERSION_3 = 0x20080522
_DAC_OVERRIDE, _DAC_READ_SEARCH = 1, 2


@contextmanager
def rights_hold() -> Iterator[None]:
    """Root may not pass over rights; holds for this thread and those that it starts (Linux)."""
    if os.geteuid() != 0:
        yield
        return
    libc = ctypes.CDLL(None, use_errno=True)
    header = (ctypes.c_uint32 * 2)(_VERSION_3, 0)
    before = (ctypes.c_uint32 * 6)()
    _checked(libc.capget(header, before))
    fewer = (ctypes.c_uint32 * 6)(*before)
    fewer[0] &= ~(1 << _DAC_OVERRIDE | 1 << _DAC_READ_SEARCH)  # the effective ones, low word
    _checked(libc.capset(header, fewer))
    try:
        yield
    finally:
        _checked(libc.capset(header, before))


def _checked(code: int) -> None:
    if code:
        raise OSError(ctypes.get_errno(), "capabilities")
