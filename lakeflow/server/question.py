"""A query over the tables that can be ended from another thread, and its rows as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from lakeflow.core.settings import Settings

if TYPE_CHECKING:
    import pyarrow as pa


class Question:
    """Something that is asked once.

    Args:
        settings: Which lakehouse, and how.
    """

    def __init__(self, settings: Settings) -> None:
        from lakeflow.engine.ask import Cancellation

        self._settings = settings
        self._cancellation = Cancellation()

    def cancel(self) -> None:
        """Has `ask`, or the reading of its rows, raise as soon as it can."""
        self._cancellation.cancel()

    def ask(self, text: str, values: Mapping[str, Any] | None = None) -> pa.RecordBatchReader:
        """The rows of a SELECT.

        Args:
            text: The statement.
            values: Of its `:name` markers, all of them as texts.

        Raises:
            LakeflowError: It is not valid, or a marker has no value.
        """
        from lakeflow.dialect.markers import bind
        from lakeflow.engine.session import Session

        bound = bind(text, {name: str(value) for name, value in (values or {}).items()})
        return Session(self._settings).query(bound, self._cancellation)


def json_rows(batch: pa.RecordBatch) -> Iterator[list[Any]]:
    """The rows of a batch, each value as JSON says it."""
    from lakeflow.core.arrow import from_arrow
    from lakeflow.core.values import json_value

    kinds = [from_arrow(kind) for kind in batch.schema.types]
    for row in zip(*(column.to_pylist() for column in batch.columns), strict=True):
        yield [json_value(value, kind) for value, kind in zip(row, kinds, strict=True)]
