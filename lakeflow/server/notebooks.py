"""What `spark` is in notebooks and scripts: it runs SQL over the tables and gives their rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

from lakeflow.core.errors import UnsupportedError
from lakeflow.core.settings import Settings
from lakeflow.core.values import cell
from lakeflow.dialect.markers import bind

if TYPE_CHECKING:
    import polars as pl
    import pyarrow as pa

    from lakeflow.jobs.workers.tasks.context import Context

SHOWN = 20
"""Rows that `show` prints, as Spark's does."""


def open_engine(context: Context) -> SqlSession:  # noqa: ARG001 - others need it
    """The engine of a task, in its process; reads the lakehouse of the server.

    Args:
        context: Of the task.
    """
    return SqlSession(Settings.load())


class SqlSession:
    """Reads tables with SQL.

    Args:
        settings: Which lakehouse.
    """

    def __init__(self, settings: Settings) -> None:
        from lakeflow.engine.session import Session

        self._session = Session(settings)

    def sql(self, text: str, args: Mapping[str, Any] | None = None) -> Rows:
        """The rows of a SELECT.

        Args:
            text: The statement.
            args: Values of its `:name` markers.
        """
        values = {name: None if v is None else str(v) for name, v in (args or {}).items()}
        return Rows(self._session.query(bind(text, values)).read_all())

    def table(self, name: str) -> Rows:
        """The rows of a table."""
        return self.sql(f"SELECT * FROM {name}")

    def __getattr__(self, name: str) -> Any:
        raise UnsupportedError(
            f"spark.{name} is not supported.", hint="spark.sql and spark.table read tables."
        )


@dataclass(frozen=True, slots=True)
class Row:
    """A row, whose values are found by place, by name and as attributes.

    Args:
        names: Of the columns.
        values: In the order of the columns.
    """

    names: Sequence[str]
    values: tuple[Any, ...]

    def __getitem__(self, key: int | str) -> Any:
        return self.values[self.names.index(key) if isinstance(key, str) else key]

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name not in self.names:
            raise AttributeError(name)
        return self[name]

    def __iter__(self) -> Iterator[Any]:
        return iter(self.values)

    def __len__(self) -> int:
        return len(self.values)

    def asDict(self) -> dict[str, Any]:  # noqa: N802 - Spark's name
        """The values by name."""
        return dict(zip(self.names, self.values, strict=True))

    def __repr__(self) -> str:
        pairs = zip(self.names, self.values, strict=True)
        return f"Row({', '.join(f'{name}={value!r}' for name, value in pairs)})"


class Rows:
    """What a query gave, with those methods of Spark's DataFrame that give rows.

    Args:
        table: The rows.
    """

    def __init__(self, table: pa.Table) -> None:
        self._table = table

    @property
    def columns(self) -> list[str]:
        """Names of the columns."""
        return [str(name) for name in self._table.column_names]

    def collect(self) -> list[Row]:
        """All rows."""
        names = self.columns
        return [Row(names, values) for values in self._values()]

    def first(self) -> Row | None:
        """The first row, if there is one."""
        found = Rows(self._table.slice(0, 1)).collect()
        return found[0] if found else None

    def head(self, n: int = 1) -> Any:
        """The first row, or the first `n` of them."""
        return self.first() if n == 1 else self.take(n)

    def take(self, num: int) -> list[Row]:
        """The first rows."""
        return Rows(self._table.slice(0, num)).collect()

    def limit(self, num: int) -> Rows:
        """The same with no more than so many rows."""
        return Rows(self._table.slice(0, num))

    def count(self) -> int:
        """How many rows there are."""
        return int(self._table.num_rows)

    def toArrow(self) -> pa.Table:  # noqa: N802 - Spark's name
        """The rows as an Arrow table."""
        return self._table

    def toPandas(self) -> Any:  # noqa: N802 - Spark's name
        """The rows as a pandas DataFrame; pandas has to be installed."""
        return self._table.to_pandas()

    def to_polars(self) -> pl.DataFrame:
        """The rows as a Polars DataFrame."""
        import polars as pl

        return pl.DataFrame(self._table)

    def show(self, n: int = SHOWN) -> None:
        """Prints the first rows under the names of their columns."""
        for line in self._lines(n):
            print(line)  # noqa: T201 - that is what it is for

    def _lines(self, count: int) -> Iterator[str]:
        texts = [self.columns, *self._texts(count)]
        widths = [max(map(len, column)) for column in zip(*texts, strict=True)]
        for number, row in enumerate(texts):
            yield "  ".join(
                text.ljust(width) for text, width in zip(row, widths, strict=True)
            ).rstrip()
            if number == 0:
                yield "  ".join("-" * width for width in widths)
        if self.count() > count:
            yield f"only the first {count} of {self.count():,} rows"

    def _texts(self, count: int) -> list[list[str]]:
        from lakeflow.core.arrow import from_arrow

        kinds = [from_arrow(kind) for kind in self._table.schema.types]
        return [
            [cell(value, kind) for value, kind in zip(values, kinds, strict=True)]
            for values in Rows(self._table.slice(0, count))._values()
        ]

    def _values(self) -> list[tuple[Any, ...]]:
        return list(zip(*(c.to_pylist() for c in self._table.columns), strict=True))

    def __iter__(self) -> Iterator[Row]:
        return iter(self.collect())

    def _repr_html_(self) -> str:
        def line(kind: str, texts: Sequence[str]) -> str:
            return "<tr>" + "".join(f"<{kind}>{escape(t)}</{kind}>" for t in texts) + "</tr>"

        body = "".join(line("td", row) for row in self._texts(SHOWN))
        return f"<table>{line('th', self.columns)}{body}</table>"

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name.startswith("__"):
            raise AttributeError(name)
        raise UnsupportedError(
            f"{name} of the rows of a query is not supported.",
            hint="Say it in SQL, or take toArrow() or to_polars() and go on from there.",
        )
