"""Which value a parameter has in a run, and which tasks get it without asking."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from lakeflow.core.errors import ConfigurationError
from lakeflow.core.names import nearest
from lakeflow.jobs.model import JsonValue, Work
from lakeflow.jobs.settings.references import check_parameters, resolve
from lakeflow.jobs.settings.scope import Scope

MOST_LEGACY_BYTES = 10_000
"""Size of each of the older fields of a run-now request, written as JSON."""


@dataclass(frozen=True, slots=True)
class _Legacy:
    """An older field of run-now: which field of which tasks it overlays or takes the place of."""

    targets: Mapping[str, str]
    kind: type[dict[str, str] | list[str]]
    ascii_only: bool = False


LEGACY: Mapping[str, _Legacy] = {
    "notebook_params": _Legacy({"notebook_task": "base_parameters"}, dict),
    "jar_params": _Legacy({"spark_jar_task": "parameters"}, list),
    "python_params": _Legacy(
        {"spark_python_task": "parameters", "python_wheel_task": "parameters"}, list, True
    ),
    "python_named_params": _Legacy({"python_wheel_task": "named_parameters"}, dict),
    "sql_params": _Legacy({"sql_task": "parameters"}, dict),
    "dbt_commands": _Legacy({"dbt_task": "commands"}, list),
    "spark_submit_params": _Legacy({"spark_submit_task": "parameters"}, list, True),
    "pipeline_params": _Legacy({"pipeline_task": ""}, dict),
}
"""Deprecated, but still sent: by Airflow's operators, among others."""

PIPELINE_PARAMS = (
    "full_refresh",
    "full_refresh_selection",
    "refresh_selection",
    "refresh_flow_selection",
    "reset_checkpoint_selection",
)
"""What `pipeline_params` may hold."""

PUSHED: Mapping[str, str] = {
    "notebook_task": "base_parameters",
    "sql_task": "parameters",
    "python_wheel_task": "named_parameters",
    "pipeline_task": "parameters",
    "run_job_task": "job_parameters",
}
"""Tasks that take names and values, and the field for them: these get the job's parameters."""


@dataclass(frozen=True, slots=True)
class RunParameters:
    """What was said about parameters when a run was asked for.

    Args:
        values: The job's parameters; may hold references until the run starts.
        legacy: Older fields of the request, by name.
        literal: Names of values that are what they are, whatever they look like: they come of
            references that were resolved elsewhere, or were before.
    """

    values: Mapping[str, str] = field(default_factory=dict)
    legacy: Mapping[str, JsonValue] = field(default_factory=dict)
    literal: frozenset[str] = frozenset()

    def resolved(self, scope: Scope) -> dict[str, str]:
        """The values, without references."""
        return {
            name: value if name in self.literal else resolve(value, scope)
            for name, value in self.values.items()
        }


def for_run(
    declared: Mapping[str, str],
    request: Mapping[str, JsonValue],
    *,
    before: Mapping[str, str] | None = None,
) -> RunParameters:
    """The parameters of a run: what the request gives, else the defaults.

    A value in `notebook_params` and the like that has the name of a job parameter is taken for
    that parameter; else its default would win over what was asked for.

    Args:
        declared: Names and defaults of the job's parameters.
        request: A run-now request, or a `run_job_task`; other fields are not looked at.
        before: Values of the run before, if it is repaired: they go before the defaults.

    Raises:
        ConfigurationError: A name is not known, or a value is no text or too long.
    """
    kept = {name: value for name, value in (before or {}).items() if name in declared}
    given = request.get("job_parameters") or {}
    _check_given(declared, given)
    legacy = {name: request[name] for name in LEGACY if request.get(name)}
    if "notebook_params" in legacy and "jar_params" in legacy:
        raise ConfigurationError(
            "notebook_params and jar_params cannot be given together.",
            hint="Give job_parameters instead.",
        )
    for name, value in legacy.items():
        _check_legacy(name, value)
    asked = {**_meant(declared, legacy), **given}
    for error in check_parameters("job_parameters", asked):
        raise error
    literal = frozenset(kept.keys() - asked.keys())
    return RunParameters({**declared, **kept, **asked}, legacy, literal)


def for_child(
    declared: Mapping[str, str], task: Mapping[str, JsonValue], parent: Mapping[str, str]
) -> RunParameters:
    """The parameters of the run that a `run_job_task` starts.

    The parent's parameters go down to it where it has one of the same name.

    Args:
        declared: Names and defaults of the child's parameters.
        task: The settings of the task, resolved.
        parent: The values of the parent's parameters.

    Raises:
        ConfigurationError: The task gives a name that the child does not know.
    """
    pushed = {name: value for name, value in parent.items() if name in declared}
    given = {**(task.get("job_parameters") or {}), **pushed}
    _check_given(declared, given)
    older = for_run(declared, {**task, "job_parameters": None})
    return RunParameters({**older.values, **given}, older.legacy, frozenset(given))


def for_task(work: Work, run: RunParameters, scope: Scope) -> dict[str, JsonValue]:
    """The settings with which a task runs: resolved, older fields and job parameters put in.

    A job parameter beats a parameter of the task with the same name.

    Args:
        work: The task.
        run: The run's parameters, resolved.
        scope: What references may speak of.

    Raises:
        ConfigurationError: A reference has no value.
    """
    settings = dict(work.settings)
    for name, value in run.legacy.items():
        legacy = LEGACY[name]
        if work.type in legacy.targets:
            settings = _overlaid(settings, legacy.targets[work.type], value)
    resolved: dict[str, JsonValue] = resolve(settings, scope)
    pushed = pushed_down(work.type, resolved, run.values)
    if pushed and work.type != "run_job_task":
        name = PUSHED[work.type]
        resolved[name] = {**(resolved.get(name) or {}), **pushed}
    return resolved


def pushed_down(
    task_type: str, settings: Mapping[str, JsonValue], values: Mapping[str, str]
) -> Mapping[str, str]:
    """The job parameters that a task gets without asking; none if it takes a list of arguments."""
    if task_type not in PUSHED:
        return {}
    if task_type == "python_wheel_task" and settings.get("named_parameters") is None:
        return {}
    return values


def _check_given(declared: Mapping[str, str], given: JsonValue) -> None:
    _be_texts("job_parameters", given, dict)
    for name in given:
        if name not in declared:
            raise ConfigurationError(
                f"job_parameters: the job has no parameter {name!r}.",
                hint=nearest(name, declared) or _those(declared),
            )


def _those(declared: Mapping[str, str]) -> str:
    return f"It has {', '.join(declared)}." if declared else "Declare it in the job's parameters."


def _meant(declared: Mapping[str, str], legacy: Mapping[str, JsonValue]) -> dict[str, str]:
    """Values of job parameters that stand in older fields."""
    meant: dict[str, str] = {}
    for name, value in legacy.items():
        if not isinstance(value, Mapping) or name == "pipeline_params":
            continue
        for key in value.keys() & declared.keys():
            if meant.setdefault(key, value[key]) != value[key]:
                raise ConfigurationError(
                    f"{name}: parameter {key!r} has another value in another field.",
                    hint="Give it once, in job_parameters.",
                )
    return meant


def _check_legacy(name: str, value: JsonValue) -> None:
    legacy = LEGACY[name]
    if name == "pipeline_params":
        _check_pipeline(value)
    else:
        _be_texts(name, value, legacy.kind)
    text = json.dumps({name: value}, ensure_ascii=False, separators=(",", ":"))
    size = len(text.encode(errors="surrogatepass"))
    if size > MOST_LEGACY_BYTES:
        raise ConfigurationError(
            f"{name} takes {size:,} bytes as JSON; it may take {MOST_LEGACY_BYTES:,}.",
            hint="Give job_parameters, or write the values into a file and give its name.",
        )
    if legacy.ascii_only and not text.isascii():
        raise ConfigurationError(
            f"{name} has characters outside of ASCII.", hint="Give job_parameters instead."
        )


def _check_pipeline(value: JsonValue) -> None:
    if not isinstance(value, Mapping):
        raise ConfigurationError("pipeline_params is a mapping.")
    for name in value:
        if name not in PIPELINE_PARAMS:
            raise ConfigurationError(
                f"pipeline_params has no field {name!r}.",
                hint=nearest(name, PIPELINE_PARAMS) or f"It has {', '.join(PIPELINE_PARAMS)}.",
            )


def _be_texts(name: str, value: JsonValue, kind: type[dict[str, str] | list[str]]) -> None:
    whole = "a mapping of names to texts" if kind is dict else "a list of texts"
    texts = value.values() if isinstance(value, dict) else value
    if not isinstance(value, kind) or not all(isinstance(each, str) for each in texts):
        raise ConfigurationError(f"{name} is {whole}.", hint='Put numbers in quotes: "1".')


def _overlaid(
    settings: dict[str, JsonValue], field_name: str, value: JsonValue
) -> dict[str, JsonValue]:
    if not field_name:
        return {**settings, **value}
    if isinstance(value, list):
        # A wheel has names and values or a list, and a list does not replace names.
        return settings if settings.get("named_parameters") else {**settings, field_name: value}
    if settings.get("parameters") and field_name == "named_parameters":
        return settings
    return {**settings, field_name: {**(settings.get(field_name) or {}), **value}}
