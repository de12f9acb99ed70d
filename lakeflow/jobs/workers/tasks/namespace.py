"""The names that user code finds: `dbutils`, `spark`, `display` and their like."""

from __future__ import annotations

from typing import Any

from lakeflow.core.errors import TaskError
from lakeflow.jobs.workers.tasks.context import Context, load
from lakeflow.jobs.workers.tasks.utilities import RunNotebook, Utilities

_current: dict[str, Any] = {}


class Spark:
    """What runs SQL, loaded when it is first used, for it may take long.

    Args:
        context: The attempt; its `given.engine` is asked.
    """

    def __init__(self, context: Context) -> None:
        self._context = context
        self._session: Any = None

    def sql(self, *arguments: Any, **named: Any) -> Any:
        """What the engine's `sql` gives."""
        return self.__getattr__("sql")(*arguments, **named)

    def table(self, name: str) -> Any:
        """What the engine's `table` gives."""
        return self.__getattr__("table")(name)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        if self._session is None:
            if not (engine := self._context.given.engine):
                raise TaskError(
                    f"spark.{name} was asked for, and no engine was given to this server.",
                    "INVALID_RUN_CONFIGURATION",
                    hint="Put the query into a sql_task or a pipeline, or read the table's files.",
                )
            self._session = load(engine)(self._context)
        return getattr(self._session, name)


class Absent:
    """A name of Spark's that can be imported and not used.

    Args:
        name: The name.
    """

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return self()

    def __call__(self, *_: Any, **__: Any) -> Any:
        """Refuses to be used."""
        raise TaskError(
            f"There is no {self._name} here.",
            "INVALID_RUN_CONFIGURATION",
            hint="Use spark.sql, or Python functions over the rows that it gives.",
        )


class Display:
    """`display`: prints values, and keeps HTML for the executed copy."""

    def __init__(self) -> None:
        self.shown: list[dict[str, str]] = []

    def __call__(self, *values: Any) -> None:
        """Shows values; a text as it is."""
        for value in values:
            if isinstance(value, str):
                _print(value)
            else:
                self.show(value)

    def show(self, value: Any) -> None:
        """Shows a value as its type does that: tables have a `show`."""
        if callable(show := getattr(value, "show", None)) and not isinstance(value, type):
            show()
        else:
            _print(repr(value))
        if callable(made := getattr(value, "_repr_html_", None)) and (html := made()):
            self.html(html)

    def html(self, html: str) -> None:
        """`displayHTML`: keeps it for the executed copy; a log has no use for it."""
        self.shown.append({"text/html": html})


def _print(text: str) -> None:
    print(text)  # noqa: T201 - it is the task's output


def namespace(
    context: Context, parameters: dict[str, str], run_notebook: RunNotebook
) -> dict[str, Any]:
    """The names for one attempt; from then on the SDK's runtime finds them as well.

    Args:
        context: The attempt.
        parameters: Values of widgets; who changes them changes the widgets.
        run_notebook: What runs another notebook.
    """
    spark = Spark(context)
    dbutils = Utilities(context, parameters, run_notebook)
    display = Display()
    _current.clear()
    _current.update(
        dbutils=dbutils,
        spark=spark,
        display=display,
        displayHTML=display.html,
        getArgument=dbutils.widgets.getArgument,
        sql=spark.sql,
        table=spark.table,
        **{name: Absent(name) for name in ("sc", "sqlContext", "udf")},
    )
    return dict(_current)


def current() -> dict[str, Any]:
    """The names of the attempt that runs in this process."""
    return _current
