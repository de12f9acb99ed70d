"""`dbutils`, as far as it has a meaning on one machine. The names are Databricks'."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from lakeflow.core.errors import TaskError
from lakeflow.core.names import nearest
from lakeflow.jobs.model import JsonValue
from lakeflow.jobs.workers.tasks.context import Context
from lakeflow.jobs.workers.tasks.files import Files

LARGEST_VALUE = 48 << 10
"""Bytes of a task value as JSON."""

_MISSING = object()

RunNotebook = Callable[[Context, str, float, dict[str, str]], str]
"""Runs a notebook with a timeout and arguments; returns what it exits with."""


class NotebookExit(BaseException):
    """The notebook has said what it came to.

    Args:
        value: The text.
    """

    def __init__(self, value: str) -> None:
        super().__init__(value)
        self.value = value


class Refusing:
    """Has what its class has, and refuses everything else by name."""

    _name = "dbutils"
    _instead: dict[str, str] = {}

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        known = sorted(each for each in {*dir(type(self)), *vars(self)} if not each.startswith("_"))
        raise TaskError(
            f"{self._name}.{name} is not supported here.",
            "INVALID_RUN_CONFIGURATION",
            hint=self._instead.get(name) or nearest(name, known) or f"There is {', '.join(known)}.",
        )


class TaskValues(Refusing):
    """Values that tasks of a run hand to each other."""

    _name = "dbutils.jobs.taskValues"

    def __init__(self, context: Context) -> None:
        self._context = context

    def set(self, key: str, value: JsonValue) -> None:
        """Sets a value for the tasks after this one.

        Raises:
            ValueError: JSON cannot say it, or it is too large.
        """
        try:
            text = json.dumps(value, allow_nan=False)
        except (TypeError, ValueError) as error:
            raise ValueError(f"The task value {key!r} is nothing JSON can say: {error}.") from error
        if (size := len(text.encode())) > LARGEST_VALUE:
            raise ValueError(
                f"The task value {key!r} has {size} bytes as JSON; {LARGEST_VALUE} are allowed. "
                "Write it to a file or table and hand on its name."
            )
        self._context.values[key] = json.loads(text)

    def get(
        self,
        taskKey: str,
        key: str,
        default: Any = _MISSING,
        debugValue: Any = _MISSING,
    ) -> JsonValue:
        """The value that a task has set.

        Args:
            taskKey: The task.
            key: The name of the value.
            default: What to take if there is none.
            debugValue: Taken outside of a job, where no value can have been set.

        Raises:
            ValueError: There is none, and no default.
        """
        assignment = self._context.assignment
        if "task_key" not in assignment.names and debugValue is not _MISSING:
            return debugValue
        found = assignment.values.get(taskKey, {})
        if taskKey == assignment.names.get("task_key"):
            found = {**found, **self._context.values}
        if key in found:
            return found[key]
        if default is not _MISSING:
            return default
        hint = nearest(key, found) if found else nearest(taskKey, assignment.values)
        raise ValueError(f"The task {taskKey!r} has set no value {key!r}. {hint}".strip())


class Jobs(Refusing):
    """What a task may ask of the run it is in."""

    _name = "dbutils.jobs"

    def __init__(self, context: Context) -> None:
        self.taskValues = TaskValues(context)


class Widgets(Refusing):
    """Parameters of a notebook.

    Args:
        given: Their values, which stand above the defaults that the notebook declares.
    """

    _name = "dbutils.widgets"

    def __init__(self, given: dict[str, str]) -> None:
        self._given = given
        self._defaults: dict[str, str] = {}

    def text(self, name: str, defaultValue: str = "", label: str | None = None) -> None:
        """Declares a parameter."""
        self._defaults[name] = str(defaultValue)

    def dropdown(
        self, name: str, defaultValue: str, choices: Sequence[str], label: str | None = None
    ) -> None:
        """Declares a parameter with some values to choose from."""
        self._choose(name, [self._given.get(name, defaultValue)], choices)
        self._defaults[name] = str(defaultValue)

    def combobox(
        self, name: str, defaultValue: str, choices: Sequence[str], label: str | None = None
    ) -> None:
        """Declares a parameter with suggestions."""
        self._defaults[name] = str(defaultValue)

    def multiselect(
        self, name: str, defaultValue: str, choices: Sequence[str], label: str | None = None
    ) -> None:
        """Declares a parameter that is some of the choices, with commas between them."""
        self._choose(name, self._given.get(name, defaultValue).split(","), choices)
        self._defaults[name] = str(defaultValue)

    def get(self, name: str) -> str:
        """The value of a parameter.

        Raises:
            ValueError: It was neither given nor declared.
        """
        known = self.getAll()
        if name not in known:
            raise ValueError(
                f"The parameter {name!r} was neither given nor declared. {nearest(name, known)} "
                f"Give it to the task or the job, or write dbutils.widgets.text({name!r}, '')."
            )
        return known[name]

    def getAll(self) -> dict[str, str]:
        """All parameters with their values."""
        return {**self._defaults, **self._given}

    def getArgument(self, name: str, defaultValue: str = "") -> str:
        """The value of a parameter, or another one if there is none."""
        return self.getAll().get(name, defaultValue)

    def remove(self, name: str) -> None:
        """Forgets a declared parameter."""
        self._defaults.pop(name, None)

    def removeAll(self) -> None:
        """Forgets all declared parameters."""
        self._defaults.clear()

    def _choose(self, name: str, values: Sequence[str], choices: Sequence[str]) -> None:
        known = [str(choice) for choice in choices]
        for value in values:
            if str(value) not in known:
                raise ValueError(
                    f"The parameter {name!r} is {value!r}, which is none of {', '.join(known)}."
                )


class Notebook(Refusing):
    """Ends a notebook, or runs another one."""

    _name = "dbutils.notebook"
    _instead = {
        "entry_point": "Hand {{job.id}}, {{task.run_id}}, {{task.notebook_path}} on as parameters.",
        "getContext": "Hand {{job.id}}, {{task.run_id}}, {{task.notebook_path}} on as parameters.",
    }

    def __init__(self, context: Context, run_notebook: RunNotebook) -> None:
        self._context = context
        self._run = run_notebook

    def exit(self, value: Any = "") -> None:
        """Ends the notebook with a value."""
        raise NotebookExit(str(value))

    def run(
        self, path: str, timeout_seconds: float = 0, arguments: dict[str, Any] | None = None
    ) -> str:
        """Runs a notebook in a process of its own and returns what it exits with.

        Args:
            path: Relative to the folder in which the notebook runs.
            timeout_seconds: After which it is stopped; 0 for never.
            arguments: Its parameters.
        """
        given = {name: str(value) for name, value in (arguments or {}).items()}
        return self._run(self._context, str(Path(path).absolute()), timeout_seconds, given)


class Utilities(Refusing):
    """The object `dbutils`.

    Args:
        context: The attempt.
        parameters: Values of widgets.
        run_notebook: What runs another notebook.
    """

    _instead = {
        "secrets": "Hand secrets to the task by its environment variables.",
        "library": "Name what has to be installed in the task's libraries.",
    }

    def __init__(
        self, context: Context, parameters: dict[str, str], run_notebook: RunNotebook
    ) -> None:
        self.jobs = Jobs(context)
        self.widgets = Widgets(parameters)
        self.notebook = Notebook(context, run_notebook)
        self.fs = Files()
