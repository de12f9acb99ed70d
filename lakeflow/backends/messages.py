"""What DuckDB says when a query fails, in the user's words."""

from __future__ import annotations

import re

from lakeflow.core.errors import DataError, LakeflowError, MissingFile
from lakeflow.core.location import Location

_INTEGERS = {"INT8": "TINYINT", "INT16": "SMALLINT", "INT32": "INT", "INT64": "BIGINT"}
_INTEGER = re.compile(r"(?<![\w'])INT(?:8|16|32|64)(?![\w'])")


def translated(error: Exception, location: Location | None) -> LakeflowError:
    """A DuckDB error as one of ours, without the SQL that the user did not write."""
    message = str(error).split("\n\nLINE ")[0].split("\nLINE ")[0]
    # What DuckDB advises about memory are settings that its users have and ours do not.
    message = message.split("\nPossible solutions")[0].strip()
    kind, _, rest = message.partition(": ")
    if "lakeflow:misfit:" in message:
        return DataError(message.split("lakeflow:misfit:", 1)[1].strip(), location=location)
    if (missing := re.match(r'No files found that match the pattern "(.*)"', rest)) is not None:
        return MissingFile(missing[1], location=location)
    if rest.startswith("More than one row returned by a subquery"):
        return DataError(
            "A subquery that stands for one value has several rows.",
            condition="SCALAR_SUBQUERY_TOO_MANY_ROWS",
            location=location,
            hint="Aggregate in it, such as max(..), or write LIMIT 1 at its end.",
        )
    rest = _INTEGER.sub(lambda found: _INTEGERS[found[0]], rest)
    conditions = {
        "Conversion Error": "CAST_INVALID_INPUT",
        "Out of Range Error": "ARITHMETIC_OVERFLOW",
        "Out of Memory Error": "OUT_OF_MEMORY",
    }
    hint = None
    if kind == "Out of Memory Error":
        hint = "Raise the memory limit (--memory-limit, LAKEFLOW_MEMORY_LIMIT)."
    return DataError(rest or message, condition=conditions.get(kind), location=location, hint=hint)
