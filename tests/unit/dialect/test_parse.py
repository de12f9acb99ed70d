"""The statement parser: places, round trips, and that nothing crashes it.

What each statement means is in the golden pairs; here is what holds for all of them.
"""

import subprocess
import sys
from dataclasses import fields, is_dataclass

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lakeflow.core.errors import DefinitionErrors
from lakeflow.core.location import Location
from lakeflow.core.names import quote
from lakeflow.core.schema import Schema, parse_type
from lakeflow.dialect.clauses import CLAUSES, clauses_of
from lakeflow.dialect.parse import parse_statements
from lakeflow.dialect.statements import (
    Column,
    CreateFlow,
    CreateTable,
    CreateView,
    Expectation,
    SetOption,
    Statement,
    UseName,
)
from lakeflow.dialect.text import QueryText
from lakeflow.dialect.tokens import Token, tokenise

NOWHERE = Location("a.sql", 1, 1)
# The machine may be busy: only what is right counts here, not how long it takes.
UNHURRIED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


def errors(text: str, **parameters: str) -> list[str]:
    with pytest.raises(DefinitionErrors) as caught:
        parse_statements(text, "a.sql", parameters)
    return [f"{e.location.line}:{e.location.column} {e.message}" for e in caught.value.errors]


def test_schema_is_given_where_columns_have_types():
    typed, named, bare = parse_statements(
        "CREATE STREAMING TABLE a (x INT NOT NULL, y DATE COMMENT 'z');"
        "CREATE MATERIALIZED VIEW b (x, y) AS SELECT 1, 2;"
        "CREATE STREAMING TABLE c",
        "a.sql",
    )
    assert typed.schema == Schema.from_ddl("x INT NOT NULL, y DATE COMMENT 'z'")
    assert named.schema is None
    assert bare.schema is None
    assert [column.name for column in named.columns] == ["x", "y"]


def test_windows_line_ends():
    text = "CREATE MATERIALIZED VIEW a\r\nAS SELECT\r\n  1;\r\n-- COMMAND ----------\r\nUSE b\r\n"
    view, use = parse_statements(text, "a.sql")
    assert view.query == QueryText("SELECT\r\n  1", Location("a.sql", 2, 4))
    assert use.location == Location("a.sql", 5, 1)


def test_every_error_has_file_line_and_column_and_prints_them():
    with pytest.raises(DefinitionErrors) as caught:
        parse_statements("DROP TABLE x;\nCREATE STREAMING TABLE a (b BIGNIT)", "dir/a.sql")
    first, second = caught.value.errors
    assert first.location == Location("dir/a.sql", 1, 1)
    assert second.location == Location("dir/a.sql", 2, 29)
    assert "dir/a.sql:1: [PIPELINE_SQL_GRAPH_ELEMENT_REGISTRATION_ERROR]" in str(caught.value)
    assert "dir/a.sql:2: [UNSUPPORTED_DATATYPE]" in str(caught.value)
    assert "DROP TABLE x" in str(caught.value)


def test_a_query_finds_the_places_of_its_characters_around_values():
    text = "USE x;\nCREATE MATERIALIZED VIEW a AS SELECT ${long} AS b,\n  '${long}' AS c, d"
    query = parse_statements(text, "a.sql", {"long": "1 +\n 2"})[1].query
    assert query.text == "SELECT 1 +\n 2 AS b,\n  '1 +\n 2' AS c, d"
    lines = text.split("\n")
    for wanted in ("AS b", "AS c", "d"):
        offset = query.text.rindex(wanted)
        line = next(number for number, line in enumerate(lines) if wanted in line[1:])
        assert query.at(offset) == Location("a.sql", line + 1, lines[line].rindex(wanted) + 1)
    assert query.at(query.text.index("1 +") + 5) == Location("a.sql", 2, lines[1].index("${") + 1)


def test_a_type_nested_too_deep_is_an_error_and_no_crash():
    deep = "ARRAY<" * 3000 + "INT" + ">" * 3000
    assert errors(f"CREATE STREAMING TABLE t (a {deep})") == [
        "1:29 The type is nested more than 50 deep."
    ]
    fine = "ARRAY<" * 20 + "INT" + ">" * 20
    (table,) = parse_statements(f"CREATE STREAMING TABLE t (a {fine})", "a.sql")
    assert table.schema.fields[0].type == parse_type(fine)


@pytest.mark.parametrize("number", ["²", "9" * 5000, "٣"])
def test_odd_numbers_in_types(number):
    assert len(errors(f"CREATE STREAMING TABLE t (a DECIMAL({number}))")) == 1


def test_parsing_imports_nothing_heavy():
    code = (
        "import sys; before = set(sys.modules); import lakeflow.dialect.parse as p\n"
        "p.parse_statements('CREATE MATERIALIZED VIEW a AS SELECT 1', 'a.sql')\n"
        "names = {name.split('.')[0] for name in set(sys.modules) - before}\n"
        "print(sorted(names - sys.stdlib_module_names))"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "['lakeflow']"


# The table of clauses.

SAMPLES = {
    "statement": "{} x",
    "modifier": "CREATE {} STREAMING TABLE x",
    "column": "CREATE STREAMING TABLE x (a INT {} b)",
    "constraint": "CREATE STREAMING TABLE x (CONSTRAINT a {} (b))",
    "table": "CREATE STREAMING TABLE x {} a AS SELECT 1",
    "view": "CREATE TEMPORARY VIEW x {} a AS SELECT 1",
    "flow": "CREATE FLOW x AS {} a BY NAME SELECT 1",
    "query": "CREATE STREAMING TABLE x AS SELECT 1 FROM STREAM a {} b DELAY OF INTERVAL 1 DAY",
}
AFTER_BY_NAME = ("REPLACE WHERE", "REPLACE USING", "PARTITION", "IF NOT EXISTS")


@pytest.mark.parametrize(
    "clause",
    [clause for clause in CLAUSES if clause.status == "refused"],
    ids=lambda clause: f"{clause.part} {clause.words}",
)
def test_every_refused_clause_is_refused_by_name(clause):
    sample = SAMPLES[clause.part]
    if clause.part == "flow" and clause.words in AFTER_BY_NAME:
        sample = "CREATE FLOW x AS INSERT INTO a {} SELECT 1"
    assert f"{clause.words} is not supported: {clause.meaning}" in " ".join(
        errors(sample.format(clause.words))
    )
    assert clause.hint


def test_clauses_occur_once_and_the_longest_comes_first():
    keys = [(clause.part, clause.words) for clause in CLAUSES]
    assert len(set(keys)) == len(keys)
    lengths = [len(words) for words in clauses_of("table")]
    assert lengths == sorted(lengths, reverse=True)


# Round trip: a value, written out with white space, comments and capitals as they come, is read
# again.

NAMES = st.one_of(
    st.sampled_from(["a", "orders", "comment", "not", "location", "set", "größe", "A1", "_x"]),
    st.text(st.sampled_from("ab `'\"-;é$ "), min_size=1, max_size=5),
).filter(lambda name: name.upper() not in ("AS", "CREATE", "CONSTRAINT", "PRIMARY", "FOREIGN"))
PART = NAMES.map(quote)
NAME = st.lists(PART, min_size=1, max_size=3).map(".".join)
STRINGS = st.text(st.sampled_from("ab '\"\\\n;%-/*é"), max_size=8)
TYPES = st.recursive(
    st.sampled_from("INT BIGINT STRING DECIMAL(10,2) TIMESTAMP DATE".split()),
    lambda inner: st.one_of(
        inner.map("ARRAY<{}>".format),
        st.tuples(inner, inner).map(lambda pair: "MAP<{}, {}>".format(*pair)),
        st.tuples(PART, inner).map(lambda pair: "STRUCT<{}: {}>".format(*pair)),
    ),
    max_leaves=4,
)
PREDICATES = st.sampled_from(
    ["x > 0", "a IN (1, 2)", "b = ')'", "f(a, (b)) -- why\n > 1", "c <> '/*'", "`d)` IS NOT NULL"]
)
QUERIES = st.sampled_from(
    [
        "SELECT 1",
        "WITH a AS (SELECT ';') SELECT * FROM a",
        "SELECT `;` -- one; two\n  FROM STREAM(b) /* ; */ WHERE c",
        "(SELECT create FROM x)",
        "FROM STREAM read_files('/x', format => \"json\") SELECT *",
    ]
)


@st.composite
def columns(draw, typed: bool) -> tuple[Column, ...]:
    names = draw(st.lists(NAMES, max_size=4, unique_by=str.lower))
    return tuple(
        Column(
            name,
            NOWHERE,
            parse_type(draw(TYPES)) if typed else None,
            draw(st.booleans()) if typed else True,
            draw(st.none() | STRINGS),
        )
        for name in names
    )


@st.composite
def expectations(draw) -> tuple[Expectation, ...]:
    names = draw(st.lists(NAMES, max_size=3, unique=True))
    actions = st.sampled_from(["warn", "drop", "fail", "quarantine"])
    return tuple(
        Expectation(name, QueryText(draw(PREDICATES), NOWHERE), draw(actions), NOWHERE)
        for name in names
    )


@st.composite
def tables(draw) -> CreateTable:
    kind = draw(st.sampled_from(["streaming_table", "materialized_view"]))
    optional = st.none() if kind == "streaming_table" and draw(st.booleans()) else QUERIES
    query = draw(optional)
    keys = st.tuples() if draw(st.booleans()) else st.lists(NAMES, unique_by=str.lower).map(tuple)
    partitioned = draw(st.booleans())
    chosen = draw(keys)
    return CreateTable(
        draw(NAME),
        kind,
        NOWHERE,
        None if query is None else QueryText(query, NOWHERE),
        draw(columns(typed=draw(st.booleans()))),
        draw(expectations()),
        draw(st.none() | STRINGS),
        chosen if partitioned else (),
        () if partitioned else chosen,
        draw(st.dictionaries(STRINGS, STRINGS, max_size=3)),
    )


@st.composite
def views(draw) -> CreateView:
    return CreateView(
        draw(PART),
        NOWHERE,
        QueryText(draw(QUERIES), NOWHERE),
        draw(columns(typed=False)),
        draw(expectations()),
        draw(st.none() | STRINGS),
        draw(st.dictionaries(STRINGS, STRINGS, max_size=2)),
    )


FLOWS = st.builds(
    CreateFlow,
    PART,
    NAME,
    st.just(NOWHERE),
    QUERIES.map(lambda text: QueryText(text, NOWHERE)),
    st.none() | STRINGS,
)
SETTINGS = st.builds(
    SetOption,
    st.sampled_from(["a.b", "spark.sql.x-y", "startDate"]),
    st.sampled_from(["1", "'a;b'", "10 seconds", "a = b"]),
    st.just(NOWHERE),
)
USES = st.one_of(
    st.builds(UseName, st.just("catalog"), PART, st.just(NOWHERE)),
    st.builds(
        UseName,
        st.just("schema"),
        st.lists(PART.filter(lambda p: p != "catalog"), min_size=1, max_size=2).map(".".join),
        st.just(NOWHERE),
    ),
)
WITHOUT_SETTINGS = st.lists(st.one_of(tables(), views(), FLOWS, USES), max_size=3)
STATEMENTS = st.lists(st.one_of(tables(), views(), FLOWS, SETTINGS, USES), max_size=3)


def literal(value: str) -> str:
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


def text_of(value: Statement) -> str:
    """A statement as SQL, the clauses in a fixed order."""
    match value:
        case CreateFlow():
            comment = "" if value.comment is None else f"COMMENT {literal(value.comment)} "
            return (
                f"CREATE FLOW {value.name} {comment}AS INSERT INTO {value.target} BY NAME "
                + value.query.text
            )
        case SetOption():
            return f"SET {value.name} = {value.value}"
        case UseName("catalog"):
            return f"SET CATALOG {value.name}"
        case UseName():
            return f"USE SCHEMA {value.name}"
    heads = {"streaming_table": "STREAMING TABLE", "materialized_view": "MATERIALIZED VIEW"}
    head = heads[value.kind] if isinstance(value, CreateTable) else "TEMPORARY VIEW"
    words = [f"CREATE {head} {value.name}"]
    inside = [column_text(column) for column in value.columns]
    actions = {
        "warn": "",
        "drop": " ON VIOLATION DROP ROW",
        "fail": " ON VIOLATION FAIL UPDATE",
        "quarantine": " ON VIOLATION QUARANTINE",
    }
    inside += [
        f"CONSTRAINT {quote(rule.name)} EXPECT ({rule.predicate.text}){actions[rule.violation]}"
        for rule in value.expectations
    ]
    words += ["(" + ", ".join(inside) + ")"] if inside else []
    if value.properties:
        pairs = (f"{literal(k)} = {literal(v)}" for k, v in value.properties.items())
        words.append(f"TBLPROPERTIES ({', '.join(pairs)})")
    words += [] if value.comment is None else [f"COMMENT {literal(value.comment)}"]
    if isinstance(value, CreateTable):
        for clause, names in (
            ("PARTITIONED BY", value.partition_columns),
            ("CLUSTER BY", value.cluster_columns),
        ):
            words += [f"{clause} ({', '.join(map(quote, names))})"] if names else []
    words += [] if value.query is None else [f"AS {value.query.text}"]
    return " ".join(words)


def column_text(column: Column) -> str:
    text = quote(column.name)
    text += "" if column.type is None else f" {column.type}"
    text += "" if column.nullable else " NOT NULL"
    return text if column.comment is None else f"{text} COMMENT {literal(column.comment)}"


def without_places(value):
    """The same value, every location the same."""
    if isinstance(value, Location):
        return NOWHERE
    if isinstance(value, tuple):
        return tuple(without_places(item) for item in value)
    if is_dataclass(value):
        return type(value)(*(without_places(getattr(value, f.name)) for f in fields(value)))
    return value


def tokens_of(value):
    """Queries and predicates as their tokens, to compare them without comments."""
    if isinstance(value, QueryText):
        return [token.text.upper() for token in tokenise(value) if token.kind != "comment"]
    if isinstance(value, tuple):
        return tuple(tokens_of(item) for item in value)
    if is_dataclass(value) and not isinstance(value, Location):
        return (type(value), *(tokens_of(getattr(value, f.name)) for f in fields(value)))
    return value


@UNHURRIED
@given(STATEMENTS)
def test_what_is_written_is_read(statements):
    text = ";\n".join(map(text_of, statements))
    assert without_places(parse_statements(text, "a.sql")) == tuple(statements)


@UNHURRIED
@given(WITHOUT_SETTINGS, st.data())
def test_space_comments_and_capitals_change_nothing_but_places(statements, data):
    text = ";\n".join(map(text_of, statements))
    gaps = st.sampled_from([" ", "\n", " /* ; */ ", "\t-- it's; \n", " /* /* ' */ */ ", "\r\n"])
    pieces, position = [], 0
    before = None
    for token in tokenise(QueryText(text, NOWHERE)):
        # Where there was a space there must be one; next to a symbol one may come.
        if token.start > position or token.word in ("(", ")", ",", ";"):
            line_comment = before is not None and before.text.startswith("--")
            pieces.append(("\n" if line_comment else "") + data.draw(gaps))
        pieces.append(token.text.swapcase() if _is_keyword(token) else token.text)
        position, before = token.end, token
    changed = parse_statements("".join(pieces), "a.sql")
    plain = parse_statements(text, "a.sql")
    assert tokens_of(without_places(changed)) == tokens_of(without_places(plain))


def _is_keyword(token: Token) -> bool:
    words = {word for clause in CLAUSES for word in clause.words.split()}
    return token.word in words and token.text.isupper()


PIECES = st.one_of(
    st.sampled_from([clause.words for clause in CLAUSES]),
    st.sampled_from(
        "CREATE TABLE VIEW t `a b` a.b ( ) , ; ' \" ` = < > . - -- /* */ 1 1.5 :x".split()
    ),
    st.sampled_from(["${a}", "${b}", "${", "'x'", '"y"', "\n", "-- COMMAND ----------\n", "\0"]),
    st.sampled_from(["STREAMING TABLE", "INT", "ARRAY<", "CONSTRAINT", "AS SELECT 1", "WATERMARK"]),
    st.text(max_size=5),
)


@UNHURRIED
@given(st.lists(PIECES, max_size=25), st.dictionaries(st.sampled_from("ab"), st.text(max_size=9)))
def test_no_text_crashes_it(pieces, parameters):
    for glue in (" ", ""):
        text = glue.join(pieces)
        try:
            statements = parse_statements(text, "a.sql", parameters)
        except DefinitionErrors as found:
            check_places(found, text)
        else:
            assert all(statement.location.file == "a.sql" for statement in statements)


def check_places(found: DefinitionErrors, text: str) -> None:
    assert found.errors
    lines = text.split("\n")
    for error in found.errors:
        assert error.message
        assert error.location.file == "a.sql"
        assert 1 <= error.location.line <= len(lines)
        assert 1 <= error.location.column <= len(lines[error.location.line - 1]) + 1


@UNHURRIED
@given(st.data())
def test_no_damaged_statement_crashes_it(data):
    text = ";\n".join(map(text_of, data.draw(STATEMENTS)))
    for _ in range(3):
        at = data.draw(st.integers(0, len(text)))
        width = data.draw(st.integers(0, 4))
        text = text[:at] + data.draw(PIECES) + text[at + width :]
    try:
        parse_statements(text, "a.sql")
    except DefinitionErrors as found:
        check_places(found, text)
