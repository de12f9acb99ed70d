"""What a call of the API comes to: JSON with a status, or an error in Databricks' words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from lakeflow.core.errors import (
    ConfigurationError,
    ConflictError,
    DataError,
    DefinitionError,
    LakeflowError,
    UnsupportedError,
)
from lakeflow.jobs.control import NotFound


@dataclass(frozen=True, slots=True)
class Reply:
    """The answer to a call.

    Args:
        status: Of HTTP.
        body: JSON, or bytes.
        type: Media type of bytes.
        warnings: Sentences for whoever asked; an answer that is right may have some.
    """

    status: int = 200
    body: Any = field(default_factory=dict)
    type: str = "application/json"
    warnings: tuple[str, ...] = ()


class Refused(LakeflowError):
    """The call cannot be answered.

    Args:
        status: Of HTTP.
        code: Databricks' `error_code`.
        message: What is wrong.
    """

    def __init__(self, status: int, code: str, message: str, **said: Any) -> None:
        super().__init__(message, **said)
        self.status = status
        self.code = code


def missing(message: str) -> Refused:
    """There is no such thing."""
    return Refused(404, "RESOURCE_DOES_NOT_EXIST", message)


def invalid(message: str, hint: str = "") -> Refused:
    """Something that was given cannot be."""
    return Refused(400, "INVALID_PARAMETER_VALUE", message, hint=hint or None)


def unsupported(what: str, hint: str = "") -> Refused:
    """This exists on Databricks and not here."""
    return Refused(501, "NOT_IMPLEMENTED", f"{what} is not supported here.", hint=hint or None)


_CODES: Mapping[type[LakeflowError], tuple[int, str]] = {
    NotFound: (404, "RESOURCE_DOES_NOT_EXIST"),
    UnsupportedError: (501, "NOT_IMPLEMENTED"),
    ConfigurationError: (400, "INVALID_PARAMETER_VALUE"),
    DefinitionError: (400, "INVALID_PARAMETER_VALUE"),
    DataError: (400, "INVALID_PARAMETER_VALUE"),
    ConflictError: (400, "INVALID_STATE"),
}
"""The first that fits counts."""


def failure(error: Exception) -> Reply:
    """How an error is told: the classes of clients follow from code and status."""
    if not isinstance(error, LakeflowError):
        said = f"Lakeflow failed: {type(error).__name__}. Its log says more."
        return _told(500, "INTERNAL_ERROR", said)
    if isinstance(error, Refused):
        return _told(error.status, error.code, _sentence(error))
    status, code = next(
        (found for kind, found in _CODES.items() if isinstance(error, kind)),
        (500, "INTERNAL_ERROR"),
    )
    return _told(status, code, _sentence(error))


def _told(status: int, code: str, message: str) -> Reply:
    return Reply(status, {"error_code": code, "message": message, "details": []})


def _sentence(error: LakeflowError) -> str:
    return f"{error.message} {error.hint}" if error.hint else error.message
