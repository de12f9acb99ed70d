"""Every statement and clause of pipeline SQL, and what becomes of it; the parser reads this table.

`done` has its effect; `recorded` is kept and shown but changes nothing yet; `refused` is known and
answered with an error that names it. What is not in the table is a syntax error.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Literal

Part = Literal["statement", "modifier", "column", "constraint", "table", "view", "flow", "query"]
Status = Literal["done", "recorded", "refused"]


@dataclass(frozen=True, slots=True)
class Clause:
    """One statement or clause.

    Args:
        part: Where it may stand.
        words: The words it begins with, in capitals.
        status: What becomes of it.
        meaning: What it says, in one sentence.
        hint: What to write instead, where it is refused.
    """

    part: Part
    words: str
    status: Status
    meaning: str
    hint: str | None = None


_OLD_TABLE = "The older spelling of CREATE STREAMING TABLE."
_OLD_VIEW = "The older spelling of CREATE MATERIALIZED VIEW."
_OLD_TEMPORARY = "The older spelling of CREATE TEMPORARY VIEW."
_TARGET = "Declare the table, then CREATE FLOW name AS INSERT INTO table BY NAME SELECT ..."
_SCHEDULE = "Updates are started by `lakeflow run` or by a job with a schedule or trigger."
_KEY = "Declare an expectation; keys are not enforced by the Delta format."
_COMMA = "An expectation stands after a ',': column, CONSTRAINT name EXPECT (predicate)."
_RULE = "Declare an expectation: CONSTRAINT name EXPECT (predicate)."
_ONCE = "Leave ONCE out and read the source with STREAM: a flow takes each row once."
_PRIVATE = "Leave the word out, or use CREATE TEMPORARY VIEW if its rows need not be stored."
_CDC = "Change data flows are not available; read the changes with a streaming table."

_STATEMENTS = (
    Clause("statement", "CREATE STREAMING TABLE", "done", "A table that reads what is new."),
    Clause("statement", "CREATE STREAMING LIVE TABLE", "done", _OLD_TABLE),
    Clause("statement", "CREATE INCREMENTAL LIVE TABLE", "done", _OLD_TABLE),
    Clause("statement", "CREATE MATERIALIZED VIEW", "done", "A table that equals its query."),
    Clause("statement", "CREATE LIVE TABLE", "done", _OLD_VIEW),
    Clause("statement", "CREATE TEMPORARY VIEW", "done", "A named query, stored nowhere."),
    Clause("statement", "CREATE TEMPORARY LIVE VIEW", "done", _OLD_TEMPORARY),
    Clause(
        "statement",
        "CREATE TEMPORARY STREAMING LIVE VIEW",
        "done",
        _OLD_TEMPORARY,
    ),
    Clause("statement", "CREATE LIVE VIEW", "done", _OLD_TEMPORARY),
    Clause("statement", "CREATE STREAMING LIVE VIEW", "done", _OLD_TEMPORARY),
    Clause("statement", "CREATE INCREMENTAL LIVE VIEW", "done", _OLD_TEMPORARY),
    Clause("statement", "CREATE FLOW", "done", "A query whose rows go into a streaming table."),
    Clause("statement", "SET", "done", "A setting or parameter for the rest of the file."),
    Clause("statement", "SET CATALOG", "done", "The catalog of the names that follow."),
    Clause("statement", "USE", "done", "The schema, or catalog and schema, of names that follow."),
    Clause("statement", "USE CATALOG", "done", "The catalog of the names that follow."),
    Clause("statement", "USE SCHEMA", "done", "The schema of the names that follow."),
    Clause("statement", "USE DATABASE", "done", "Another word for USE SCHEMA."),
    Clause("statement", "USE NAMESPACE", "done", "Another word for USE SCHEMA."),
    Clause(
        "statement",
        "CREATE VIEW",
        "refused",
        "A view that the catalog keeps.",
        "Write CREATE TEMPORARY VIEW, or CREATE MATERIALIZED VIEW to store its rows.",
    ),
    Clause(
        "statement",
        "CREATE TABLE",
        "refused",
        "A table that no pipeline fills.",
        "Write CREATE STREAMING TABLE or CREATE MATERIALIZED VIEW.",
    ),
    Clause("statement", "CREATE TEMPORARY STREAMING TABLE", "refused", "Not published.", _PRIVATE),
    Clause("statement", "CREATE TEMPORARY LIVE TABLE", "refused", "Not published.", _PRIVATE),
    Clause(
        "statement",
        "CREATE TEMPORARY STREAMING LIVE TABLE",
        "refused",
        "Not published.",
        _PRIVATE,
    ),
    Clause(
        "statement",
        "CREATE GLOBAL TEMPORARY VIEW",
        "refused",
        "A view that other sessions see.",
        "Write CREATE TEMPORARY VIEW: all files of a pipeline see it.",
    ),
    Clause(
        "statement",
        "CREATE FUNCTION",
        "refused",
        "A function in SQL or another language.",
        "Write the expression in the query.",
    ),
    Clause(
        "statement",
        "CREATE TEMPORARY FUNCTION",
        "refused",
        "A function in SQL or another language.",
        "Write the expression in the query.",
    ),
    Clause("statement", "INSERT INTO", "refused", "Adds rows to a table.", _TARGET),
    Clause("statement", "APPLY CHANGES INTO", "refused", "The older AUTO CDC INTO.", _CDC),
    Clause("statement", "REFRESH", "refused", "Starts an update.", _SCHEDULE),
    Clause(
        "statement",
        "SET TIME ZONE",
        "refused",
        "The time zone of the session.",
        "Write SET spark.sql.session.timeZone = zone.",
    ),
    Clause("statement", "SET VARIABLE", "refused", "A variable of the session.", "Use SET k = v."),
    Clause("statement", "SET VAR", "refused", "A variable of the session.", "Use SET k = v."),
)

_MODIFIERS = (
    Clause("modifier", "OR REFRESH", "done", "Says what is so anyway: an update refreshes it."),
    Clause("modifier", "OR REPLACE", "done", "Says what is so anyway: the file declares it."),
    Clause("modifier", "IF NOT EXISTS", "done", "Says what is so anyway: a table is kept."),
    Clause("modifier", "PRIVATE", "refused", "A table that is not published.", _PRIVATE),
)

_COLUMNS = (
    Clause("column", "NOT NULL", "done", "The column holds no NULL."),
    Clause("column", "COMMENT", "done", "What the column is for."),
    Clause(
        "column",
        "GENERATED",
        "refused",
        "A column that is computed: an expression or an identity.",
        "Compute the column in the query.",
    ),
    Clause(
        "column",
        "DEFAULT",
        "refused",
        "The value where none is given.",
        "Write coalesce(column, value) in the query.",
    ),
    Clause(
        "column",
        "MASK",
        "refused",
        "A function that hides the column's values from some readers.",
        "Leave the column out, or hide its values in the query.",
    ),
    Clause("column", "COLLATE", "refused", "How text compares.", "Compare lower(column)."),
    Clause("column", "CONSTRAINT", "refused", "A rule of one column.", _COMMA),
    Clause("column", "PRIMARY KEY", "refused", "The column identifies rows.", _KEY),
    Clause("column", "FOREIGN KEY", "refused", "The column names a row elsewhere.", _KEY),
    Clause("column", "REFERENCES", "refused", "The column names a row elsewhere.", _KEY),
    Clause("column", "UNIQUE", "refused", "No value occurs twice.", _KEY),
    Clause("column", "CHECK", "refused", "A rule of the column.", _RULE),
)

_CONSTRAINTS = (
    Clause("constraint", "EXPECT", "done", "An expectation: violating rows are kept and counted."),
    Clause("constraint", "ON VIOLATION DROP ROW", "done", "Violating rows are left out."),
    Clause("constraint", "ON VIOLATION FAIL UPDATE", "done", "A violating row fails the flow."),
    Clause(
        "constraint",
        "ON VIOLATION QUARANTINE",
        "done",
        "Violating rows go into the table `name_quarantine`; only here, not in Databricks.",
    ),
    Clause("constraint", "PRIMARY KEY", "refused", "Columns that identify rows.", _KEY),
    Clause("constraint", "FOREIGN KEY", "refused", "Columns that name a row elsewhere.", _KEY),
    Clause("constraint", "UNIQUE", "refused", "Columns whose values occur once.", _KEY),
    Clause("constraint", "CHECK", "refused", "A rule of all rows.", _RULE),
)

_TABLES = (
    Clause("table", "AS", "done", "The query."),
    Clause("table", "USING DELTA", "done", "The format, which is always Delta."),
    Clause(
        "table",
        "USING",
        "refused",
        "Another format.",
        "Tables are Delta: leave the clause out or write USING DELTA.",
    ),
    Clause("table", "PARTITIONED BY", "done", "Columns by whose values files are kept apart."),
    Clause("table", "CLUSTER BY", "recorded", "Columns by which files are to be clustered."),
    Clause("table", "CLUSTER BY AUTO", "refused", "Columns chosen by use.", "Name the columns."),
    Clause("table", "CLUSTER BY NONE", "refused", "No clustering.", "Leave the clause out."),
    Clause("table", "COMMENT", "done", "What the table is for."),
    Clause("table", "TBLPROPERTIES", "done", "Properties of the table."),
    Clause(
        "table",
        "LOCATION",
        "refused",
        "A place for the table's files.",
        "Leave it out: the lakehouse decides where its tables lie.",
    ),
    Clause(
        "table",
        "WITH ROW FILTER",
        "refused",
        "A function that hides rows from some readers.",
        "Write the condition into the query.",
    ),
    Clause("table", "SCHEDULE", "refused", "When the table is refreshed.", _SCHEDULE),
    Clause("table", "TRIGGER ON UPDATE", "refused", "Refresh when an input changes.", _SCHEDULE),
    Clause(
        "table",
        "REFRESH POLICY",
        "refused",
        "Whether a refresh may be full or incremental.",
        "Leave it out: the plan says which is taken and why.",
    ),
    Clause("table", "FLOW AUTO CDC", "refused", "A change data flow in place of a query.", _CDC),
    Clause("table", "FLOW INSERT", "refused", "A flow in place of a query.", _TARGET),
    Clause("table", "FLOW REPLACE WHERE", "refused", "A flow that replaces rows.", _TARGET),
    Clause("table", "FLOW REPLACE USING", "refused", "A flow that replaces rows.", _TARGET),
    Clause("table", "OPTIONS", "refused", "Options of the format.", "Use TBLPROPERTIES."),
    Clause("table", "CLUSTERED BY", "refused", "Hive's buckets.", "Use CLUSTER BY."),
    Clause("table", "ROW FORMAT", "refused", "Hive's row format.", "Leave it out."),
    Clause("table", "STORED AS", "refused", "Hive's file format.", "Leave it out."),
    Clause("table", "DEFAULT COLLATION", "refused", "How text compares.", "Leave it out."),
)

_VIEWS = (
    Clause("view", "AS", "done", "The query."),
    Clause("view", "COMMENT", "done", "What the view is for."),
    Clause("view", "TBLPROPERTIES", "recorded", "Properties of the view."),
    Clause("view", "USING", "refused", "A view of files.", "Write AS SELECT ... read_files()."),
    Clause("view", "OPTIONS", "refused", "Options of files.", "Give them to read_files(...)."),
    Clause("view", "PARTITIONED BY", "refused", "A view has no files.", "Leave it out."),
    Clause("view", "CLUSTER BY", "refused", "A view has no files.", "Leave it out."),
    Clause("view", "LOCATION", "refused", "A view has no files.", "Leave it out."),
    Clause("view", "WITH SCHEMA", "refused", "How a view follows its inputs.", "Leave it out."),
)

_FLOWS = (
    Clause("flow", "COMMENT", "done", "What the flow is for."),
    Clause("flow", "INSERT INTO", "done", "The table it fills."),
    Clause("flow", "BY NAME", "done", "Columns are matched by name; always needed."),
    Clause(
        "flow",
        "INSERT INTO ONCE",
        "refused",
        "A flow that runs one time.",
        _ONCE,
    ),
    Clause(
        "flow",
        "INSERT ONCE",
        "refused",
        "A flow that runs one time.",
        _ONCE,
    ),
    Clause(
        "flow",
        "INSERT OVERWRITE",
        "refused",
        "Replaces the table's rows.",
        "Declare a materialized view.",
    ),
    Clause("flow", "AUTO CDC", "refused", "A change data flow.", _CDC),
    Clause(
        "flow",
        "REPLACE WHERE",
        "refused",
        "Replaces the rows that meet a condition.",
        "Declare a materialized view.",
    ),
    Clause(
        "flow",
        "REPLACE USING",
        "refused",
        "Replaces the rows with the same keys.",
        "Declare a materialized view.",
    ),
    Clause(
        "flow",
        "PARTITION",
        "refused",
        "Fills one partition.",
        "Leave it out: partitions follow from the rows.",
    ),
    Clause("flow", "IF NOT EXISTS", "refused", "Fills a partition once.", "Leave it out."),
)

_QUERIES = (
    Clause(
        "query",
        "WATERMARK",
        "refused",
        "How late rows of a stream may come: WATERMARK column DELAY OF interval.",
        "Aggregate in a materialized view, which counts late rows too.",
    ),
)

CLAUSES = (
    *_STATEMENTS,
    *_MODIFIERS,
    *_COLUMNS,
    *_CONSTRAINTS,
    *_TABLES,
    *_VIEWS,
    *_FLOWS,
    *_QUERIES,
)
"""The table."""


@cache
def clauses_of(part: Part) -> dict[tuple[str, ...], Clause]:
    """The clauses of one part by their words, the longest first."""
    found = {tuple(clause.words.split()): clause for clause in CLAUSES if clause.part == part}
    return dict(sorted(found.items(), key=lambda item: -len(item[0])))
