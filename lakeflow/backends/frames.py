"""What query functions get and give: Polars frames and Arrow data, from and to Parquet files."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lakeflow.backends.parquet import ParquetFiles
from lakeflow.core.errors import (
    DefinitionError,
    DefinitionErrors,
    LakeflowError,
    UnsupportedError,
)
from lakeflow.core.location import Location
from lakeflow.core.schema import VOID, DataType, Field, Schema, types_within
from lakeflow.pipelines.queries import DATA_FRAME, LAZY_FRAME, READER, TABLE, kind_of_value

if TYPE_CHECKING:
    import polars as pl
    import pyarrow as pa

EAGER = (DATA_FRAME, TABLE)
"""Types whose values are whole in memory."""

BATCH = "pyarrow.RecordBatch"
BATCH_ROWS = 65_536


def value_of(files: ParquetFiles, kind: str) -> Any:
    """The rows of files as a value of a type.

    Args:
        files: The rows; a value over no files has the columns and no rows.
        kind: One of `lakeflow.pipelines.queries.KINDS`, but no relation.
    """
    if kind == LAZY_FRAME:
        return _lazy_frame(files)
    if kind == DATA_FRAME:
        return _lazy_frame(files).collect()
    reader = _reader(files)
    return reader.read_all() if kind == TABLE else reader


def result_schema(value: Any, function: str, location: Location) -> tuple[Schema, Any]:
    """The columns of what a function returned, and the same rows again.

    Columns of a stream of batches are known by its first one, so that stream is begun.

    Args:
        value: A frame, Arrow data, or an iterator of Arrow batches.
        function: Whose it is, for errors.
        location: Where it is defined.

    Raises:
        DefinitionError: A column has a type that no table can hold, or there is no batch to tell.
    """
    from lakeflow.core.arrow import from_arrow

    kind = kind_of_value(value)
    if kind == LAZY_FRAME:
        found = value.collect_schema().to_frame().to_arrow().schema
    elif kind == DATA_FRAME:
        found = value.head(0).to_arrow().schema
    elif kind in (READER, TABLE, BATCH):
        found = value.schema
    else:
        value = _begun(value, function, location)
        found = value.schema
    columns = [(column.name, column.type) for column in found]
    return columns_of(columns, from_arrow, function, location), value


def is_stream_of_batches(value: Any) -> bool:
    """Whether a value gives Arrow batches one after the other."""
    return inspect.isgenerator(value) or kind_of_value(value) == BATCH


def write(value: Any, path: str) -> None:
    """Writes a function's result as one Parquet file.

    Args:
        value: As `result_schema` gave it back.
        path: Of a file that does not exist.
    """
    kind = kind_of_value(value)
    if kind == LAZY_FRAME:
        value.sink_parquet(path, compression="snappy", engine="streaming")
    elif kind == DATA_FRAME:
        value.write_parquet(path, compression="snappy")
    else:
        _write_batches(value, path)


def _lazy_frame(files: ParquetFiles) -> pl.LazyFrame:
    import polars as pl

    from lakeflow.core.arrow import arrow_schema

    if files.partitions:
        return pl.concat([_partition(*found, files.schema) for found in files.by_partition()])

    empty = pl.from_arrow(arrow_schema(files.schema).empty_table())
    assert isinstance(empty, pl.DataFrame)
    if not files.paths:
        return empty.lazy()
    options = pl.ScanCastOptions(
        integer_cast="upcast",
        float_cast="upcast",
        datetime_cast=["nanosecond-downcast", "convert-timezone"],
        missing_struct_fields="insert",
        extra_struct_fields="ignore",
        categorical_to_string="allow",
    )
    return pl.scan_parquet(
        list(files.paths),
        schema=empty.schema,
        missing_columns="insert",
        extra_columns="ignore",
        cast_options=options,
        hive_partitioning=False,
        glob=False,
    )


def _partition(
    files: ParquetFiles, values: Mapping[str, str | None], schema: Schema
) -> pl.LazyFrame:
    import polars as pl

    constants = [
        pl.lit(pl.Series(name, scalars)).first().alias(name)
        for name, scalars in _constants(values, schema).items()
    ]
    return _lazy_frame(files).with_columns(constants).select(schema.names)


def _constants(values: Mapping[str, str | None], schema: Schema) -> dict[str, pa.Array]:
    """Values of partition columns, each as an array of one."""
    import pyarrow as pa

    from lakeflow.core.arrow import to_arrow

    kinds = {field.name: to_arrow(field.type) for field in schema}
    return {name: pa.array([text], pa.string()).cast(kinds[name]) for name, text in values.items()}


def _reader(files: ParquetFiles) -> pa.RecordBatchReader:
    import pyarrow as pa

    from lakeflow.core.arrow import arrow_schema

    schema = arrow_schema(files.schema.nullable())

    def batches() -> Iterator[pa.RecordBatch]:
        # The first one has no rows, so that a generator can always tell its columns.
        yield pa.RecordBatch.from_pylist([], schema=schema)
        if files.partitions:
            for found, values in files.by_partition():
                constants = _constants(values, files.schema)
                for batch in _batches_of(found):
                    columns = {
                        name: pa.repeat(scalars[0], batch.num_rows)
                        for name, scalars in constants.items()
                    }
                    columns |= dict(zip(batch.schema.names, batch.columns, strict=True))
                    arrays = [columns[name] for name in schema.names]
                    yield pa.RecordBatch.from_arrays(arrays, schema=schema)
        elif files.paths:
            yield from _batches_of(files)

    return pa.RecordBatchReader.from_batches(schema, batches())


def _batches_of(files: ParquetFiles) -> Iterator[pa.RecordBatch]:
    import pyarrow.dataset as ds

    from lakeflow.core.arrow import arrow_schema

    schema = arrow_schema(files.schema.nullable())
    found = ds.dataset(list(files.paths), schema=schema, format="parquet")
    yield from found.scanner(
        batch_size=BATCH_ROWS, batch_readahead=2, fragment_readahead=1
    ).to_batches()


@dataclass
class _Batches:
    """A stream of batches whose first one was taken to know the columns."""

    schema: pa.Schema
    batches: Iterator[Any]

    def __iter__(self) -> Iterator[Any]:
        return self.batches


def _begun(value: Iterable[Any], function: str, location: Location) -> _Batches:
    batches = iter(value)
    first = next(batches, None)
    if first is None:
        raise DefinitionError(
            f"{function} yields no batch, so its columns are not known.",
            condition="UNABLE_TO_INFER_PIPELINE_TABLE_SCHEMA",
            location=location,
            hint="Yield a batch for every batch that comes in, be it without rows.",
        )

    def rest() -> Iterator[Any]:
        yield _batch(first, function, location)
        for found in batches:
            yield _batch(found, function, location)

    return _Batches(_batch(first, function, location).schema, rest())


def _batch(found: Any, function: str, location: Location) -> Any:
    if kind_of_value(found) in (BATCH, TABLE):
        return found
    raise DefinitionError(
        f"{function} yields a {type(found).__name__}.",
        condition="QUERY_FUNCTION_RESULT_NOT_A_QUERY",
        location=location,
        hint="Yield values of pyarrow.RecordBatch.",
    )


def _write_batches(value: Any, path: str) -> None:
    import pyarrow.parquet as pq

    batches = [value] if kind_of_value(value) in (BATCH, TABLE) else value
    with pq.ParquetWriter(path, value.schema, compression="snappy") as writer:
        for batch in batches:
            if kind_of_value(batch) == BATCH:
                writer.write_batch(batch)
            else:
                writer.write_table(batch, row_group_size=BATCH_ROWS)


def columns_of(
    columns: Iterable[tuple[str, Any]],
    spark_type: Callable[[Any], DataType],
    function: str,
    location: Location,
) -> Schema:
    """The columns of a function's result as a table's.

    Args:
        columns: Names and types, in the words of the library.
        spark_type: Translates one of those, or raises `UnsupportedError`.
        function: Whose result it is, for errors.
        location: Where it is defined.

    Raises:
        DefinitionErrors: Every column that no table can hold, by its name.
    """
    fields: list[Field] = []
    errors: list[LakeflowError] = []
    for name, found in columns:
        try:
            kind = spark_type(found)
        except UnsupportedError:
            errors.append(
                UnsupportedError(
                    f"Column {name} of {function} has the type {found}, which no Delta table can "
                    "hold.",
                    condition="UNSUPPORTED_DATATYPE",
                    location=location,
                    hint=f"Cast it in the function: {_instead(str(found))}.",
                )
            )
            continue
        if VOID in types_within(kind):
            errors.append(
                DefinitionError(
                    f"Column {name} of {function} is NULL without a type.",
                    condition="UNSUPPORTED_DATATYPE",
                    location=location,
                    hint="Give it one in the function: pl.lit(None, dtype=pl.String), "
                    "pa.nulls(n, pa.string()) or CAST(NULL AS VARCHAR).",
                )
            )
        fields.append(Field(name, kind))
    if errors:
        raise DefinitionErrors(errors)
    _check_names([field.name for field in fields], function, location)
    return Schema(tuple(fields))


def _check_names(names: Sequence[str], function: str, location: Location) -> None:
    seen: dict[str, str] = {}
    for name in names:
        before = seen.setdefault(name.lower(), name)
        if before is not name:
            raise DefinitionError(
                f"{function} returns two columns named {before} and {name}; names of columns "
                "differ by more than case.",
                condition="COLUMN_ALREADY_EXISTS",
                location=location,
                hint="Rename one of them.",
            )


def _instead(kind: str) -> str:
    """What to cast a type to that no table can hold."""
    if kind.startswith("timestamp[ns"):
        return 'to microseconds, as in .dt.cast_time_unit("us")'
    if kind.startswith(("uint64", "UBIGINT", "HUGEINT", "UHUGEINT")):
        return "to a 64-bit integer or DECIMAL(20,0)"
    if kind.startswith(("time", "duration")):
        return "to an integer or to text"
    return "to a type that a Delta table can hold"
