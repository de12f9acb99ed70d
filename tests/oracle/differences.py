"""The vectors whose answer here is not Spark's, each with the reason."""

from __future__ import annotations

_CLOCK = "Spark takes today for the day, so it answers otherwise each day; here it is malformed"
_JAVA = "Java 17 writes some numbers with a digit more than tells them apart"
_PREFIX = "text is JSON as a whole or NULL; Spark reads one value and no further, and other quotes"
_LAST = "the last instant of 64 bits is DuckDB's infinity"

DIFFERENCES = {
    "approx_count_distinct-1b045bc931": "counted exactly, which is within any deviation",
    "cast-18861fc3da": _JAVA,
    "try_cast-4293a49c29": _JAVA,
    "cast-406fee79ab": _LAST,
    "cast-4fc50c855a": _LAST,
    "try_cast-30ac90d978": _LAST,
    "try_cast-4bd928bc16": _LAST,
    "cast-6fcabf19a0": _CLOCK,
    "cast-a9446cdbc9": _CLOCK,
    "cast-cc9183af8f": _CLOCK,
    "try_cast-a3d72ba98e": _CLOCK,
    "timestamp-5cb60c2f90": _CLOCK,
    "from_json-26ccbed4c8": _PREFIX,
    "from_json-923d29f8a9": _PREFIX,
    "get_json_object-3e2a7aeb84": _PREFIX,
    "from_json-f3411a614f": "the first of two members with one name is taken, not the last",
    "date_add-2cf5d6874f": "DuckDB's dates end before the year that Spark reaches, and it raises",
    "7ea0bc27c3": _JAVA,
    "16480a8d7d": _JAVA,
    "cc0c644d4b": _JAVA,
    "9ccbb4426e": "both operands of a comparison are evaluated, though one is NULL",
    "unix_seconds-5287c46238": "four minutes occurred twice when zones began; the second is taken",
}

BEYOND_SPARK = {
    "js:a": "Databricks has ':' for STRING; Spark's own SQL has it for VARIANT alone",
    "js:c.d[1]": "as above",
    "js:a::int": "as above",
}
"""Everyday expressions that answer here although Apache Spark raises."""
