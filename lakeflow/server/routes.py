"""One table of everything that can be asked: from it calls are found, read and described."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

from lakeflow.server.answers import Refused, Reply, invalid

if TYPE_CHECKING:
    from lakeflow.server.api import Api

Status = Literal["done", "recorded", "refused"]

MOST_BYTES = 10 * 2**20
"""Size of a request, unless its route says otherwise."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """A value of a request.

    Args:
        name: As it is written.
        shape: `text`, `secret` (a text that no message repeats), `number`,
            `flag`, `texts`, `list`, `object` or `any`.
        required: Whether it has to be there.
        meaning: What it says.
    """

    name: str
    shape: str
    required: bool
    meaning: str


@dataclass(frozen=True, slots=True)
class Request:
    """What was asked, read as its route says.

    Args:
        values: Path, query and body in one; values that were left out are not in it.
        origin: Where the server was reached, such as `http://127.0.0.1:8080`.
        version: Of the API; empty for what has none.
        warnings: Added to the answer.
    """

    values: Mapping[str, Any]
    origin: str = ""
    version: str = ""
    warnings: list[str] = field(default_factory=list)

    def __getitem__(self, name: str) -> Any:
        return self.values[name]

    def get(self, name: str, default: Any = None) -> Any:
        """A value, or something else if it was left out."""
        return self.values.get(name, default)

    def limit(self, default: int, most: int, name: str = "limit") -> int:
        """How many are wanted; the most there may be if it is zero."""
        found = int(self.values.get(name, default))
        if not 0 <= found <= most:
            raise invalid(f"{name} is between 1 and {most}, not {found}.")
        return found or most


Handler = Callable[["Api", Request], Any]


@dataclass(frozen=True)
class Route:
    """Something that can be asked.

    Args:
        method: Of HTTP.
        path: With the version left out, such as `jobs/get` or `pipelines/{pipeline_id}`; one that
            begins with a slash has no version.
        call: Answers; returns JSON or a reply.
        summary: One sentence.
        parameters: What it reads.
        versions: Of the API.
        status: Whether it does what it says, keeps it only, or refuses it.
        open: Whether further fields are read by the call itself.
        most_bytes: Size of a request.
    """

    method: str
    path: str
    call: Handler
    summary: str
    parameters: tuple[Parameter, ...]
    versions: tuple[str, ...] = ("2.0",)
    status: Status = "done"
    open: bool = False
    most_bytes: int = MOST_BYTES

    @property
    def paths(self) -> tuple[str, ...]:
        """Where it is found, the newest version first."""
        if self.path.startswith("/"):
            return (self.path,)
        return tuple(f"/api/{version}/{self.path}" for version in reversed(self.versions))

    def read(self, given: Mapping[str, Any], origin: str, version: str = "") -> Request:
        """The request with the values that this route takes.

        Args:
            given: Path, query and body.
            origin: Where the server was reached.
            version: Of the API, as the call has it.

        Raises:
            Refused: A value is missing, or has not the shape it must have.
        """
        known = {each.name: each for each in self.parameters}
        values: dict[str, Any] = {}
        warnings: list[str] = []
        for name, value in given.items():
            if name not in known:
                values[name] = value
                if not self.open:
                    warnings.append(f"{name} is not a field of {self.method} {self.paths[0]}.")
            elif value is not None:
                values[name] = _shaped(known[name], value)
        for each in self.parameters:
            if each.required and each.name not in values:
                raise invalid(f"{each.name} is missing.", f"It says: {each.meaning}")
        return Request(values, origin, version, warnings)


@dataclass
class Routes:
    """The routes of a module.

    Args:
        versions: Of the API, the newest last.
    """

    versions: tuple[str, ...] = ("2.0",)
    all: list[Route] = field(default_factory=list)

    def add(
        self, method: str, path: str, parameters: str = "", **said: Any
    ) -> Callable[[Handler], Handler]:
        """Makes a function the answer to a call; its docstring is the summary.

        Args:
            method: Of HTTP.
            path: As in `Route`.
            parameters: Lines of name, shape and meaning; a name with a star has to be given.
            said: Other fields of `Route`.
        """

        def added(call: Handler) -> Handler:
            summary = (call.__doc__ or "").split("\n")[0]
            said.setdefault("versions", self.versions)
            self.all.append(Route(method, path, call, summary, _parameters(parameters), **said))
            return call

        return added


class Table:
    """All routes, by method and path.

    Args:
        routes: In the order in which they are described.
    """

    def __init__(self, routes: Iterable[Route]) -> None:
        self.routes = tuple(routes)
        self._plain: dict[str, dict[str, Route]] = {}
        self._patterns: list[tuple[re.Pattern[str], Route]] = []
        for route in self.routes:
            for path in route.paths:
                if "{" in path:
                    self._patterns.append((re.compile(f"{_expression(path)}$"), route))
                else:
                    self._plain.setdefault(path, {})[route.method] = route

    def find(self, method: str, path: str) -> tuple[Route, Mapping[str, str]]:
        """The route of a call, and what stands in its path.

        Raises:
            Refused: There is none, or none with this method.
        """
        path = path.rstrip("/") or "/"
        found: dict[str, tuple[Route, Mapping[str, str]]] = {
            name: (route, {}) for name, route in self._plain.get(path, {}).items()
        }
        if not found:
            for pattern, route in self._patterns:
                if match := pattern.match(path):
                    found.setdefault(route.method, (route, match.groupdict()))
        if method == "HEAD" and "HEAD" not in found and "GET" in found:
            return found["GET"]
        if method in found:
            return found[method]
        if found:
            raise Refused(
                405,
                "BAD_REQUEST",
                f"{path} does not answer to {method}.",
                hint=f"Use {' or '.join(sorted(found))}.",
            )
        if path.startswith("/api/"):
            raise Refused(
                404,
                "ENDPOINT_NOT_FOUND",
                f"{method} {path} is not supported here.",
                hint="docs/api.md lists what is.",
            )
        raise Refused(404, "ENDPOINT_NOT_FOUND", f"There is nothing at {path}.")


def reply_of(answer: Any, request: Request) -> Reply:
    """The reply to a request, from what its call has returned."""
    reply = answer if isinstance(answer, Reply) else Reply(body=answer)
    return replace(reply, warnings=tuple(request.warnings))


def _expression(path: str) -> str:
    return re.sub(r"\\{(\w+)(:path)?\\}", _group, re.escape(path))


def _group(match: re.Match[str]) -> str:
    return f"(?P<{match[1]}>{'.+' if match[2] else '[^/]+'})"


def _parameters(text: str) -> tuple[Parameter, ...]:
    rows = (line.split(maxsplit=2) for line in text.strip().splitlines())
    return tuple(
        Parameter(name.rstrip("*"), shape, name.endswith("*"), meaning)
        for name, shape, meaning in rows
    )


def _shaped(parameter: Parameter, value: Any) -> Any:
    fits, said = _SHAPES[parameter.shape]
    found = fits(value)
    if found is None:
        seen = "" if parameter.shape == "secret" else f", not {value!r}"
        raise invalid(f"{parameter.name} is {said}{seen}.")
    return found


def _number(value: Any) -> int | None:
    if isinstance(value, str) and re.fullmatch(r"-?[0-9]{1,19}", value):
        value = int(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    whole = isinstance(value, int) and not isinstance(value, bool)
    return value if whole and abs(value) < 2**63 else None


def _flag(value: Any) -> bool | None:
    if isinstance(value, bool):
        return value
    return {"true": True, "false": False}.get(value.lower()) if isinstance(value, str) else None


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and "\0" not in value else None


def _texts(value: Any) -> list[str] | None:
    if isinstance(value, str):
        value = [value]
    fits = isinstance(value, list) and all(isinstance(each, str) for each in value)
    return value if fits else None


_SHAPES: Mapping[str, tuple[Callable[[Any], Any], str]] = {
    "any": (lambda value: value, ""),
    "text": (_text, "a text"),
    "secret": (_text, "a text"),
    "number": (_number, "a whole number"),
    "flag": (_flag, "true or false"),
    "texts": (_texts, "a list of texts"),
    "list": (lambda value: value if isinstance(value, list) else None, "a list"),
    "object": (lambda value: value if isinstance(value, dict) else None, "an object"),
}
