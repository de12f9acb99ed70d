"""What a task may do, as Python declares it: a function for each type of the Jobs API."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Literal

from lakeflow.core.errors import ConfigurationError
from lakeflow.core.location import Location, caller_location
from lakeflow.core.names import nearest
from lakeflow.jobs.model import JsonValue
from lakeflow.jobs.python.declarations import Action, DeclaredTask, Value, tell
from lakeflow.jobs.settings.scope import as_text

Operator = Literal["==", "!=", ">", ">=", "<", "<="]
_OPERATORS: Mapping[str, str] = {
    "==": "EQUAL_TO",
    "!=": "NOT_EQUAL",
    ">": "GREATER_THAN",
    ">=": "GREATER_THAN_OR_EQUAL",
    "<": "LESS_THAN",
    "<=": "LESS_THAN_OR_EQUAL",
}
LOCAL_WAREHOUSE = "local"
"""The warehouse that is always there."""


def pipeline(
    pipeline_id: str,
    *,
    full_refresh: bool | Sequence[str] = False,
    parameters: Mapping[str, Value] | None = None,
) -> Action:
    """Updates a pipeline.

    Args:
        pipeline_id: Its path, key or id.
        full_refresh: Whether all its tables are computed anew, or which.
        parameters: Values for its parameters.
    """
    settings: dict[str, JsonValue] = {"pipeline_id": pipeline_id}
    if full_refresh is True:
        settings["full_refresh"] = True
    elif full_refresh:
        settings["full_refresh_selection"] = list(full_refresh)
    return Action("pipeline_task", settings | _some(parameters=_texts(parameters)))


def sql(
    file: str | None = None,
    *,
    statement: str | None = None,
    parameters: Mapping[str, Value] | None = None,
) -> Action:
    """Runs SQL.

    Args:
        file: A file of statements, relative to the project.
        statement: Or the statements themselves.
        parameters: What stands for `:name` in them.
    """
    if (file is None) == (statement is None):
        _refuse("An SQL task has a file or a statement.", 'Write sql("report.sql").')
    source = {"file": {"path": file}} if file is not None else {"statement": statement}
    further = _some(parameters=_texts(parameters))
    return Action("sql_task", {"warehouse_id": LOCAL_WAREHOUSE} | source | further)


def notebook(path: str, *, parameters: Mapping[str, Value] | None = None) -> Action:
    """Runs a notebook: `.ipynb`, or the source that Databricks writes.

    Args:
        path: Relative to the project.
        parameters: Values for its widgets.
    """
    further = _some(base_parameters=_texts(parameters))
    return Action("notebook_task", {"notebook_path": path} | further)


def script(file: str, *arguments: Value) -> Action:
    """Runs a Python file.

    Args:
        file: Relative to the project.
        arguments: What it finds in `sys.argv`.
    """
    further = _some(parameters=_listed(arguments))
    return Action("spark_python_task", {"python_file": file} | further)


def wheel(
    package: str,
    entry_point: str,
    *arguments: Value,
    parameters: Mapping[str, Value] | None = None,
) -> Action:
    """Calls an entry point of an installed package.

    Args:
        package: Its name.
        entry_point: The name of the entry point.
        arguments: What it finds in `sys.argv`.
        parameters: Or names and values, which it finds there as `--name=value`.
    """
    if arguments and parameters:
        _refuse("A wheel has arguments or parameters, not both.", "Leave one of them out.")
    settings = {"package_name": package, "entry_point": entry_point}
    further = _some(parameters=_listed(arguments), named_parameters=_texts(parameters))
    return Action("python_wheel_task", settings | further)


def function(called: Callable[..., object], **parameters: Value) -> Action:
    """Calls a Python function, in a process that imports it from its module.

    Args:
        called: A function at the top of a module.
        parameters: What it is called with; each arrives as text.
    """
    tell(_errors_of_call(called, parameters, caller_location()))
    settings: dict[str, JsonValue] = {"main": f"{called.__module__}.{called.__qualname__}"}
    listed = [{"name": name, "value": as_text(value)} for name, value in parameters.items()]
    return Action("python_operator_task", settings | _some(parameters=listed))


def dbt(
    *commands: str,
    project: str | None = None,
    profiles: str | None = None,
    catalog: str | None = None,
    schema: str | None = None,
) -> Action:
    """Runs dbt.

    Args:
        commands: Such as `dbt deps` and `dbt run`.
        project: Folder of the dbt project.
        profiles: Folder of its profiles.
        catalog: Where its models go.
        schema: Likewise.
    """
    further = _some(
        project_directory=project,
        profiles_directory=profiles,
        catalog=catalog,
        schema=schema,
    )
    return Action("dbt_task", {"commands": list(commands)} | further)


def jar(main_class: str, *arguments: Value) -> Action:
    """Runs a class of a JAR, which the task has among its `libraries`.

    Args:
        main_class: Its complete name.
        arguments: What its `main` gets.
    """
    further = _some(parameters=_listed(arguments))
    return Action("spark_jar_task", {"main_class_name": main_class} | further)


def shell(command: str | Sequence[str], *arguments: Value) -> Action:
    """Runs a command.

    Args:
        command: A line for the shell, or a list of words.
        arguments: What it finds in `$1` and so on.
    """
    words = command if isinstance(command, str) else list(command)
    return Action("shell_task", {"command": words} | _some(parameters=_listed(arguments)))


def scala(file: str, *arguments: Value) -> Action:
    """Runs a Scala script.

    Args:
        file: Relative to the project.
        arguments: What it gets.
    """
    return Action("scala_task", {"file": file} | _some(parameters=_listed(arguments)))


def r(file: str, *arguments: Value) -> Action:
    """Runs an R script.

    Args:
        file: Relative to the project.
        arguments: What it gets.
    """
    return Action("r_task", {"file": file} | _some(parameters=_listed(arguments)))


def alert(path: str, *, parameters: Mapping[str, Value] | None = None) -> Action:
    """Evaluates an alert: a query whose result may be one to worry about.

    Args:
        path: The file that holds it, relative to the project.
        parameters: What stands for `:name` in its query.
    """
    further = _some(parameters=_texts(parameters))
    return Action("alert_task", {"workspace_path": path} | further)


def run_job(called: int | str, *, parameters: Mapping[str, Value] | None = None) -> Action:
    """Runs another job and waits for it.

    Args:
        called: Its id, or its key in the same project.
        parameters: Values for its parameters.
    """
    return Action("run_job_task", {"job_id": called} | _some(job_parameters=_texts(parameters)))


def condition(left: Value, op: Operator, right: Value) -> Action:
    """Decides which tasks run; see `DeclaredTask.when`.

    Args:
        left: A value, mostly a reference such as `count.first_row("n")`.
        op: `==` and `!=` compare texts, the others numbers.
        right: What it is compared with.
    """
    if op not in _OPERATORS:
        _refuse(f"A condition cannot compare by {op!r}.", f"It can by {', '.join(_OPERATORS)}.")
    settings = {"op": _OPERATORS.get(op, op), "left": as_text(left), "right": as_text(right)}
    return Action("condition_task", settings)


def for_each(
    inputs: str | Sequence[JsonValue], repeated: DeclaredTask, *, concurrency: int = 1
) -> Action:
    """Runs a task once for each of some inputs, which it finds as `{{input}}`.

    Args:
        inputs: A list, or a reference to one, such as `query.rows`.
        repeated: The task.
        concurrency: How many may run at the same time.
    """
    if "depends_on" in repeated.settings:
        message = f"Task {repeated.key!r} is repeated and cannot come after another one."
        _refuse(message, "Give `after` to the for-each task.")
    text = inputs if isinstance(inputs, str) else json.dumps(list(inputs), ensure_ascii=False)
    settings = {"inputs": text, "concurrency": concurrency, "task": repeated.settings}
    return Action("for_each_task", settings)


def other(type: str, settings: Mapping[str, JsonValue]) -> Action:  # noqa: A002
    """Whatever else the Jobs API knows.

    Args:
        type: The field of the task, such as `alert_task`.
        settings: Its value.
    """
    return Action(type, settings)


def _texts(values: Mapping[str, Value] | None) -> dict[str, str]:
    return {name: as_text(value) for name, value in (values or {}).items()}


def _listed(values: Sequence[Value]) -> list[str]:
    return [as_text(value) for value in values]


def _refuse(message: str, hint: str) -> None:
    tell([ConfigurationError(message, location=caller_location(), hint=hint)])


def _some(**fields: JsonValue) -> dict[str, JsonValue]:
    """The fields that say something."""
    return {name: value for name, value in fields.items() if value}


def _errors_of_call(
    called: Callable[..., object], parameters: Mapping[str, Value], location: Location
) -> Iterator[ConfigurationError]:
    name = getattr(called, "__qualname__", repr(called))
    module = getattr(called, "__module__", None)
    if not module or not all(part.isidentifier() for part in f"{module}.{name}".split(".")):
        yield ConfigurationError(
            f"{name} cannot be imported from {module}.",
            location=location,
            hint="Define it at the top of a file whose name is a word, such as tasks.py.",
        )
        return
    if module == "__main__":
        yield ConfigurationError(
            f"{name} is in the file that is being run, which others cannot import.",
            location=location,
            hint="Put it into a file of its own and import it here.",
        )
    signature = inspect.signature(called)
    known = list(signature.parameters)
    any_name = any(each.kind is each.VAR_KEYWORD for each in signature.parameters.values())
    for given in parameters:
        if given not in known and not any_name:
            yield ConfigurationError(
                f"{name} has no parameter {given!r}.",
                location=location,
                hint=nearest(given, known) or None,
            )
    for each in signature.parameters.values():
        if each.name in parameters or each.default is not each.empty:
            continue
        if each.kind not in (each.VAR_POSITIONAL, each.VAR_KEYWORD):
            yield ConfigurationError(
                f"{name} needs a value for {each.name!r}.",
                location=location,
                hint="Give it to function(...), as text or as a reference.",
            )
