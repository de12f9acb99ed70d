"""What project files declare, once everything in them is worked out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from lakeflow.core.errors import ConfigurationError
from lakeflow.core.location import Location
from lakeflow.core.names import nearest
from lakeflow.jobs.definitions import tree
from lakeflow.jobs.model import JsonValue

Name = tuple[str, str]
"""Kind and key of a resource, such as `("jobs", "nightly")`."""


@dataclass(frozen=True, slots=True)
class Notice:
    """Something a person should know, though it stops nothing.

    Args:
        message: One sentence.
        location: Where it is written.
        hint: What to do about it.
    """

    message: str
    location: Location
    hint: str = ""

    def __str__(self) -> str:
        text = f"{self.location}: {self.message}"
        return f"{text}\n  {self.hint}" if self.hint else text


@dataclass(frozen=True, slots=True)
class Resource:
    """A job, a pipeline or anything else that a file declares.

    Args:
        kind: Its section, such as `jobs`.
        key: Its name in that section.
        settings: What its API takes. `${resources.KIND.KEY.id}` and `${var.X}` of a lookup are
            left in it; `deploy.fill` replaces them once they are known.
        locations: Where each part of the settings is written.
        references: Resources that its settings speak of.
        permissions: Who may do what with it, as in the files.
        lifecycle: What a deployment may do with it, as in the files.
    """

    kind: str
    key: str
    settings: Mapping[str, JsonValue]
    locations: Mapping[tree.Path, Location] = field(default_factory=dict)
    references: frozenset[Name] = frozenset()
    permissions: Sequence[JsonValue] = ()
    lifecycle: Mapping[str, JsonValue] = field(default_factory=dict)

    @property
    def name(self) -> Name:
        """Kind and key."""
        return self.kind, self.key

    def locate(self, *path: str | int) -> Location:
        """Where a part of the settings is written, or the nearest thing around it."""
        while path and path not in self.locations:
            path = path[:-1]
        return self.locations[path]


@dataclass(frozen=True, slots=True)
class Lookup:
    """A variable whose value is the id of something that has a name.

    Args:
        kind: What it is, such as `warehouse` or `cluster`.
        name: Its name.
        location: Where the variable says so.
    """

    kind: str
    name: str
    location: Location


@dataclass(frozen=True, slots=True)
class Declared:
    """All that the files of a project declare.

    Args:
        name: The project's name.
        folder: Against which relative paths in the settings are taken.
        jobs: By key; their settings are those of the Jobs API.
        pipelines: By key; their settings are those of the Pipelines API, or hold `path`.
        others: Resources of other kinds, by kind and key.
        target: The target of a bundle that was chosen; empty otherwise.
        mode: `development`, `production` or empty.
        lookups: Variables that only a deployment can tell the values of, by name.
        workspace: Paths and the user, as `${workspace...}` gives them.
        artifacts: What is built before a deployment, by name.
        sync: Which files are deployed: `include`, `exclude`, `paths`.
        warnings: What people should know.
    """

    name: str
    folder: Path
    jobs: Mapping[str, Resource]
    pipelines: Mapping[str, Resource]
    others: Mapping[str, Mapping[str, Resource]] = field(default_factory=dict)
    target: str = ""
    mode: str = ""
    lookups: Mapping[str, Lookup] = field(default_factory=dict)
    workspace: Mapping[str, JsonValue] = field(default_factory=dict)
    artifacts: Mapping[str, JsonValue] = field(default_factory=dict)
    sync: Mapping[str, JsonValue] = field(default_factory=dict)
    warnings: Sequence[Notice] = ()

    @property
    def resources(self) -> dict[Name, Resource]:
        """Everything declared, by kind and key."""
        kinds = {"jobs": self.jobs, "pipelines": self.pipelines, **self.others}
        return {found.name: found for kind in kinds.values() for found in kind.values()}

    def job(self, key: str) -> Resource:
        """The job with this key.

        Raises:
            ConfigurationError: There is none.
        """
        if key not in self.jobs:
            known = f"Jobs are {', '.join(self.jobs)}." if self.jobs else "It declares no jobs."
            raise ConfigurationError(
                f"{self.name} declares no job {key!r}.", hint=nearest(key, self.jobs) or known
            )
        return self.jobs[key]
