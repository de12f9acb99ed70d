"""The project whose jobs a command is about."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import click

from lakeflow.core.errors import ConfigurationError, DefinitionErrors
from lakeflow.jobs.definitions.declared import Declared, Resource
from lakeflow.jobs.definitions.project import find_jobs
from lakeflow.jobs.settings.notices import unwatched


def project_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Adds the options that say which project a command is about; it gets `declared`, a call."""

    @click.option(
        "--project",
        type=click.Path(exists=True, path_type=Path),
        metavar="PATH",
        help="lakeflow.yml, databricks.yml, a .py file of jobs, or the folder of one.",
    )
    @click.option("--target", metavar="NAME", help="Target of a databricks.yml.")
    @click.option("--var", "variables", multiple=True, metavar="NAME=VALUE", help="A variable.")
    @functools.wraps(function)
    def wrapped(
        *given: Any,
        project: Path | None,
        target: str | None,
        variables: tuple[str, ...],
        **rest: Any,
    ) -> Any:
        def declared() -> Declared:
            found = load(project, target, variables)
            for warning in found.warnings:
                click.echo(f"warning {warning}", err=True)
            for key, job in found.jobs.items():
                for said in unwatched(job.settings):
                    click.echo(f"warning {key}: {said}", err=True)
            return found

        return function(*given, declared=declared, **rest)

    return wrapped


def load(project: Path | None, target: str | None, variables: Iterable[str]) -> Declared:
    """What the project at a path declares.

    Args:
        project: Its file or folder; the nearest one above if omitted.
        target: Target of a bundle.
        variables: Each as `name=value`.

    Raises:
        ConfigurationError: There is none, or it is not valid.
    """
    if project is None or project.suffix != ".py":
        return find_jobs(project, target=target, variables=pairs("--var", variables))
    from lakeflow.jobs.python.collect import collect

    found = collect(project)
    if found.errors:
        raise DefinitionErrors(found.errors)
    if not found.jobs:
        raise ConfigurationError(
            f"{project} declares no job.", hint="Declare one: from lakeflow import jobs."
        )
    jobs = {
        job.name: Resource(
            "jobs",
            job.name,
            job.settings,
            {(): job.location},
            frozenset(("jobs", key) for key in job.runs),
        )
        for job in found.jobs
    }
    return Declared(project.stem, project.parent.absolute(), jobs, {})


def pairs(option: str, given: Iterable[str]) -> dict[str, str]:
    """Reads `name=value` texts.

    Raises:
        UsageError: One is something else.
    """
    found: dict[str, str] = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise click.UsageError(f"{option} takes NAME=VALUE, not {text!r}.")
        found[name] = value
    return found
