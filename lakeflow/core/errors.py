"""The one tree of errors, grouped by what the person who sees one should do.

A class's docstring is its default message. An error carries Spark's condition name where one
exists, the place the user wrote, and the way out as `hint`; `str()` prints all of them.
"""

from __future__ import annotations

import errno
from collections.abc import Iterable, Sequence
from typing import Any

from lakeflow.core.location import Location


class LakeflowError(Exception):
    """Lakeflow could not go on.

    Args:
        message: What happened, naming what the user wrote; the class's docstring if omitted.
        condition: Spark's error condition, such as `TABLE_OR_VIEW_NOT_FOUND`.
        location: Where the user wrote what is wrong.
        hint: What to do about it.
    """

    exit_code = 1

    def __init__(
        self,
        message: str | None = None,
        *,
        condition: str | None = None,
        location: Location | None = None,
        hint: str | None = None,
    ) -> None:
        self.message = message or (type(self).__doc__ or "").split("\n", 1)[0]
        self.condition = condition
        self.location = location
        self.hint = hint
        super().__init__(self.message)

    def __str__(self) -> str:
        text = f"[{self.condition}] {self.message}" if self.condition else self.message
        if self.location is not None:
            text = f"{self.location}: {text}"
        return f"{text}\n  {self.hint}" if self.hint else text


class DefinitionError(LakeflowError):
    """A table, flow or expectation is not declared correctly."""

    exit_code = 2


class UnsupportedError(DefinitionError):
    """This is valid elsewhere but not supported here."""


class DefinitionErrors(DefinitionError):
    """Several declarations are wrong.

    Args:
        errors: Every error found, in the order of their places.
    """

    def __init__(self, errors: Iterable[LakeflowError]) -> None:
        self.errors: Sequence[LakeflowError] = tuple(
            sorted(
                errors,
                key=lambda e: (e.location.file, e.location.line) if e.location else ("", 0),
            )
        )
        super().__init__(f"{len(self.errors)} errors in the pipeline's definitions.")

    def __str__(self) -> str:
        return "\n".join(str(error) for error in self.errors)

    def __reduce__(self) -> tuple[type[DefinitionErrors], tuple[Sequence[LakeflowError]]]:
        return type(self), (self.errors,)


class ConfigurationError(LakeflowError):
    """A setting, option or project file is not valid."""

    exit_code = 2


class DataError(LakeflowError):
    """Data do not fit what was declared for them."""


class ExpectationFailed(DataError):
    """Rows violate an expectation whose action is to fail the update."""


class SchemaChanged(DataError):
    """A source has columns that the stored schema does not know."""


class SourceError(LakeflowError):
    """A source could not be read."""


class StateError(LakeflowError):
    """What is stored about a table or flow does not fit what the pipeline declares."""


class CorruptStateError(StateError):
    """A stored file is damaged."""


class MissingFile(CorruptStateError):
    """A file of a table is missing or cut off.

    Args:
        path: The file.
    """

    def __init__(self, path: str, **said: Any) -> None:
        super().__init__(
            f"The file {path} of a table is missing or cut off.",
            **{
                "hint": "Restore it from a copy, or rebuild the table with --full-refresh.",
                **said,
            },
        )
        self.path = path


_AGAIN = "run the update again; it goes on from the last batch that was committed"


class StorageError(LakeflowError):
    """The lakehouse could not be read or written."""

    @classmethod
    def of(cls, error: OSError, again: str = _AGAIN) -> StorageError:
        """What the operating system said, and what to do about it."""
        full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
        where = f" ({error.filename})" if error.filename else ""
        return cls(
            f"The lakehouse could not be written or read: {error.strerror or error}{where}.",
            hint=f"{'Make room' if full else 'Mend that'} and {again}.",
        )


class ConflictError(LakeflowError):
    """Another process is at work on the same thing."""


class LeaseHeld(ConflictError):
    """Another update of this pipeline is running."""


class LeaseLost(ConflictError):
    """Another process has taken this pipeline over; this one stops."""


class TaskError(LakeflowError):
    """A task of a job could not run.

    Args:
        message: What happened.
        code: Databricks' termination code.
    """

    def __init__(self, message: str, code: str, **said: Any) -> None:
        super().__init__(message, **said)
        self.code = code


class Interrupted(LakeflowError):
    """The update was stopped."""

    exit_code = 130


def was_interrupted(error: BaseException | None) -> bool:
    """Whether an error comes of the stop of an update, be it in the words of DuckDB."""
    while error is not None:
        if isinstance(error, Interrupted) or type(error).__name__ == "InterruptException":
            return True
        error = error.__cause__ or error.__context__
    return False
