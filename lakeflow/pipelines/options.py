"""Every option of the decorators, and what becomes of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from lakeflow.core.errors import DefinitionError, UnsupportedError
from lakeflow.core.location import Location
from lakeflow.core.names import nearest

Shape = Literal["text", "texts", "mapping"]
_SAID = {"text": "a str", "texts": "a list of str", "mapping": "a dict of str to str"}


@dataclass(frozen=True, slots=True)
class Option:
    """An option of some decorators.

    Args:
        name: As it is written.
        of: The decorators and functions that have it.
        status: `done`, `recorded` (kept, and changes nothing) or `refused`.
        meaning: What it says where it has its effect.
        shape: What its value is.
        hint: What to write instead of what is refused.
    """

    name: str
    of: tuple[str, ...]
    status: Literal["done", "recorded", "refused"]
    meaning: str
    shape: Shape = "text"
    hint: str = ""


_STORED = ("table", "materialized_view", "create_streaming_table")
_QUERIES = ("table", "materialized_view", "temporary_view", "append_flow")
_ALL = (*_QUERIES, "create_streaming_table")
_CREATE = ("create_streaming_table",)
_OWN_PLACE = "Leave it out: the lakehouse decides where its tables lie."
_REPLACE = "Declare a materialized view."

OPTIONS = (
    Option("name", _ALL, "done", "Its name; the function's if left out."),
    Option("target", ("append_flow",), "done", "The streaming table that the flow fills."),
    Option("comment", _ALL, "done", "What it is for."),
    Option("spark_conf", _ALL, "done", "Settings of its query; see the table of SET.", "mapping"),
    Option("table_properties", _STORED, "done", "Properties of the table.", "mapping"),
    Option("partition_cols", _STORED, "done", "Columns by whose values files lie apart.", "texts"),
    Option("cluster_by", _STORED, "recorded", "Columns by which files cluster.", "texts"),
    Option("schema", _STORED, "done", "Its columns, as DDL text; must be those of the query."),
    Option("format", _STORED, "done", "`delta`, which every table is."),
    Option("expect_all", _CREATE, "done", "Rules whose violations are counted.", "mapping"),
    Option("expect_all_or_drop", _CREATE, "done", "Rules that drop rows.", "mapping"),
    Option("expect_all_or_fail", _CREATE, "done", "Rules that fail the update.", "mapping"),
    Option("expect_all_or_quarantine", _CREATE, "done", "Rules that keep rows aside.", "mapping"),
    Option("path", _STORED, "refused", "A place for the table's files.", hint=_OWN_PLACE),
    Option("row_filter", _STORED, "refused", "A function that hides rows from some readers.",
           hint="Write the condition into the query."),
    Option("private", _STORED, "refused", "A table that is not published.",
           hint="Leave it out, or declare a temporary view if its rows need not be stored."),
    Option("temporary", _STORED, "refused", "The older name of private.",
           hint="Leave it out, or declare a temporary view if its rows need not be stored."),
    Option("cluster_by_auto", _STORED, "refused", "Columns chosen by use.",
           hint="Name the columns in cluster_by."),
    Option("refresh_policy", _STORED, "refused", "Whether a refresh may be full or incremental.",
           hint="Leave it out: the plan says which is taken and why."),
    Option("replace_using", _STORED, "refused", "Replaces rows with the same keys.", hint=_REPLACE),
    Option("sequence_by", _STORED, "refused", "Which of the rows to replace wins.", hint=_REPLACE),
    Option("full_refresh", _STORED, "refused", "Computes the table anew.",
           hint="Run `lakeflow run --full-refresh TABLE`."),
    Option("once", ("append_flow",), "refused", "A flow that runs one time.",
           hint="Read the source as a stream: a flow takes each row once."),
    Option("import_checkpoint", ("append_flow",), "refused", "Progress made elsewhere.",
           hint="Leave it out: the flow begins at the start of its source."),
    Option("depends_on", ("append_flow",), "refused", "Flows that run before.",
           hint="Leave it out: the order follows from what the queries read."),
)  # fmt: skip
"""What decorators take; an option that is in none of these is no option anywhere."""


def check_options(decorator: str, given: Mapping[str, Any], location: Location) -> None:
    """Refuses options that a decorator does not take, and values of other types.

    Raises:
        DefinitionError: An option is unknown here, or its value is of a wrong type.
        UnsupportedError: It is refused.
    """
    known = {option.name: option for option in OPTIONS if decorator in option.of}
    for name, value in given.items():
        option = known.get(name)
        if option is None:
            names = [found for found, option in known.items() if option.status != "refused"]
            raise DefinitionError(
                f"{name} is not an option of {decorator}.",
                location=location,
                hint=nearest(name, names) or f"Options are {', '.join(names)}.",
            )
        if option.status == "refused":
            raise UnsupportedError(
                f"The option {name} is not supported: {option.meaning}",
                condition="UNSUPPORTED_FEATURE",
                location=location,
                hint=option.hint,
            )
        if value is not None and not _fits(option.shape, value):
            raise DefinitionError(
                f"{name} is {_SAID[option.shape]}, not {value!r}.",
                condition="NOT_EXPECTED_TYPE",
                location=location,
            )
    if given.get("partition_cols") and given.get("cluster_by"):
        raise DefinitionError(
            "A table is either partitioned or clustered.",
            condition="SPECIFY_CLUSTER_BY_WITH_PARTITIONED_BY_IS_NOT_ALLOWED",
            location=location,
            hint="Leave out partition_cols or cluster_by.",
        )


def _fits(shape: Shape, value: Any) -> bool:
    match shape:
        case "text":
            return isinstance(value, str)
        case "texts":
            return isinstance(value, list) and all(isinstance(each, str) for each in value)
        case "mapping":
            return isinstance(value, Mapping) and all(
                isinstance(key, str) and isinstance(each, str) for key, each in value.items()
            )
