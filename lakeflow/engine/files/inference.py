"""The schema of files that nobody described, from a sample that is always the same."""

from __future__ import annotations

from lakeflow.connect.source import FileEntry
from lakeflow.core.schema import (
    BIGINT,
    BOOLEAN,
    DATE,
    DOUBLE,
    TIMESTAMP,
    DataType,
    Decimal,
)

SAMPLE_FILES = 1000
SAMPLE_BYTES = 50 * 10**9
LONG_INTEGER = Decimal(38, 0)
_CANDIDATES: tuple[DataType, ...] = (BIGINT, LONG_INTEGER, DOUBLE, BOOLEAN, DATE, TIMESTAMP)
# A number that begins with a zero is a code, and one too long for DOUBLE would lose digits.
_WHOLE = r"[+-]?(0|[1-9][0-9]*)"
_CODE = r"[+-]?0[0-9].*|[+-]?[0-9]{16,}"


def sample(files: tuple[FileEntry, ...]) -> tuple[FileEntry, ...]:
    """The files that inference looks at: the first thousand, or 50 GB of them."""
    taken, size = 0, 0
    for file in files[:SAMPLE_FILES]:
        if taken and size + file.size > SAMPLE_BYTES:
            break
        taken, size = taken + 1, size + file.size
    return files[:taken]
