"""The fields of one object of settings, read by name; errors say the path."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import TypeVar

from lakeflow.core.errors import ConfigurationError
from lakeflow.core.names import nearest
from lakeflow.jobs.model import JsonValue

Word = TypeVar("Word", bound=StrEnum)


class Fields:
    """An object of settings whose fields are asked for one by one.

    Args:
        value: The object; anything else is refused.
        path: Where it stands in the settings, such as `triggers[1].file_arrival`.
        known: Every field that it may have.
        strict: Whether another field is refused; otherwise it is warned of.
        warnings: Where warnings are put.

    `values` holds the fields that are not null.
    """

    def __init__(
        self,
        value: JsonValue,
        path: str,
        known: Iterable[str],
        *,
        strict: bool,
        warnings: list[str],
    ) -> None:
        known = list(known)
        self.path = path
        self._strict = strict
        self._warnings = warnings
        if not isinstance(value, Mapping):
            raise ConfigurationError(
                f"{path} is {value!r}; it must be an object.",
                hint=f"Its fields are {', '.join(known)}.",
            )
        for field in value:
            if field in known:
                continue
            hint = nearest(str(field), known) or f"Fields here are {', '.join(known)}."
            if strict:
                raise ConfigurationError(f"{path}.{field} is not a field of jobs.", hint=hint)
            warnings.append(f"{path}.{field} is not known here and without effect. {hint}")
        self.values = {field: item for field, item in value.items() if item is not None}

    def __contains__(self, field: str) -> bool:
        return field in self.values

    def error(self, field: str, what: str, hint: str | None = None) -> ConfigurationError:
        """An error whose message begins with the path of a field."""
        return ConfigurationError(f"{self.path}.{field} {what}", hint=hint)

    def warn(self, field: str, what: str) -> None:
        """Puts a sentence on a field among the warnings."""
        self._warnings.append(f"{self.path}.{field} {what}")

    def inner(self, field: str, known: Iterable[str]) -> Fields:
        """The object that a field holds."""
        return Fields(
            self.values[field],
            f"{self.path}.{field}",
            known,
            strict=self._strict,
            warnings=self._warnings,
        )

    def text(self, field: str, example: str) -> str:
        """A text that must be there.

        Raises:
            ConfigurationError: It is missing or empty; the example says what to write.
        """
        value = self.values.get(field)
        if not isinstance(value, str) or not value.strip():
            said = "is missing." if field not in self else f"is {value!r}; it must be a text."
            raise self.error(field, said, f"Write it like {example}.")
        return value.strip()

    def texts(self, field: str, most: int, example: str) -> tuple[str, ...]:
        """A list of one to `most` texts.

        Raises:
            ConfigurationError: It is missing, empty, too long, or not of texts.
        """
        value = self.values.get(field, [])
        if not isinstance(value, list | tuple) or not all(isinstance(item, str) for item in value):
            raise self.error(field, f"is {value!r}; it must be a list of texts.", example)
        if not 1 <= len(value) <= most:
            raise self.error(field, f"names {len(value)}; one to {most} are needed.", example)
        return tuple(value)

    def whole(
        self, field: str, least: int, *, most: int = 10**9, default: int | None = None
    ) -> int:
        """A whole number.

        Raises:
            ConfigurationError: It is out of bounds, no whole number, or missing without a default.
        """
        value = self.values.get(field, default)
        if field not in self and value is not None:
            return int(value)
        if type(value) is not int or not least <= value <= most:
            said = f"is {value!r}." if field in self else "is missing."
            leave = "" if default is None else ", or leave it away"
            raise self.error(field, said, f"Write a whole number from {least} to {most}{leave}.")
        return value

    def word(self, field: str, words: type[Word], default: Word | None = None) -> Word:
        """One of some words.

        Raises:
            ConfigurationError: It is another one, or missing without a default.
        """
        value = self.values.get(field, default)
        if isinstance(value, str) and value in list(words):
            return words(value)
        known = ", ".join(words)
        said = "is missing." if value is None else f"is {value!r}."
        meant = nearest(value, [word.value for word in words]) if isinstance(value, str) else ""
        raise self.error(field, said, meant or f"It is one of {known}.")
