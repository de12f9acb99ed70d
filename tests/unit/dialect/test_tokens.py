"""The tokeniser: every character is in one token or is white space, every token has its place."""

import random
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lakeflow.core.location import Location
from lakeflow.dialect.text import QueryText
from lakeflow.dialect.tokens import Token, name_value, string_value, tokenise

# The machine may be busy: only what is right counts here, not how long it takes.
UNHURRIED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


def tokens(text: str) -> list[Token]:
    return tokenise(QueryText(text, Location("a.sql", 1, 1)))


def kinds(text: str) -> list[tuple[str, str]]:
    return [(token.kind, token.text) for token in tokens(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a b", "word:a word:b"),
        ("größe", "word:größe"),
        ("2019_sales", "word:2019_sales"),
        ("db.2019_sales", "word:db symbol:. word:2019_sales"),
        ("1 1.5 .5 1e3", "number:1 number:1.5 number:.5 number:1e3"),
        ("1.5E-3 10L 2BD", "number:1.5E-3 number:10L number:2BD"),
        ("`a``b`.`c.d`", "quoted:`a``b` symbol:. quoted:`c.d`"),
        ("a>=b", "word:a symbol:> symbol:= word:b"),
        ("x::int", "word:x symbol:: symbol:: word:int"),
        ("js:path", "word:js symbol:: word:path"),
        ("= :day", "symbol:= parameter::day"),
        ("(:day)", "symbol:( parameter::day symbol:)"),
        ("${a.b-c}", "parameter:${a.b-c}"),
        ("t_${env}.x", "word:t_ parameter:${env} symbol:. word:x"),
        ("'${a}'", "string:'${a}'"),
        ("'a;b'", "string:'a;b'"),
        ("'a''b'", "string:'a''b'"),
        (r"'a\'b'", r"string:'a\'b'"),
        (r"r'a\' x", r"string:r'a\' word:x"),
        ("bar'x'", "word:bar string:'x'"),
        ("X'1F'", "word:X string:'1F'"),
        ("'a' 'b'", "string:'a' string:'b'"),
        ("$$a;b$$", "string:$$a;b$$"),
        ("a--b", "word:a comment:--b"),
        ("a-b", "word:a symbol:- word:b"),
        ("/**/a", "comment:/**/ word:a"),
        ("/*/*a*/;*/b", "comment:/*/*a*/;*/ word:b"),
        ("/*/*+a*/b", "comment:/*/*+a*/ word:b"),
        ("/*+ HINT */b", "comment:/*+_HINT_*/ word:b"),
        ("'--'a", "string:'--' word:a"),
        ("--'\na", "comment:--' word:a"),
        ("'a", "unclosed:'a"),
        ("'a''", "unclosed:'a''"),
        (r"'a\'", r"unclosed:'a\'"),
        ("`a;b", "unclosed:`a;b"),
        ("/*/**/", "unclosed:/*/**/"),
        ("\ufeffa", "word:a"),
        ("", ""),
    ],
)
def test_kinds(text, expected):
    found = " ".join(f"{kind}:{part.replace(' ', '_')}" for kind, part in kinds(text))
    assert found == expected


def test_a_line_comment_ends_with_its_line_unless_a_backslash_ends_it():
    assert kinds("--a\nb") == [("comment", "--a"), ("word", "b")]
    assert kinds("--a\r\nb") == [("comment", "--a"), ("word", "b")]
    assert kinds("--a\\\nb\nc") == [("comment", "--a\\\nb"), ("word", "c")]


def test_places_count_from_one():
    text = "a  'x\ny' b\r\n\tc"
    places = [(token.text[0], token.line, token.column) for token in tokens(text)]
    assert places == [("a", 1, 1), ("'", 1, 4), ("b", 2, 4), ("c", 3, 2)]


def test_places_go_on_from_the_place_of_the_text():
    (first, second) = tokenise(QueryText("a\nb", Location("a.sql", 7, 5)))
    assert (first.line, first.column) == (7, 5)
    assert (second.line, second.column) == (8, 1)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("'it''s'", "it's"),
        ('"it\'s"', "it's"),
        ('"a""b"', 'a"b'),
        (r"'it\'s'", "it's"),
        (r"'a\nb\tc\0'", "a\nb\tc\0"),
        (r"'\u00e9\U0001F600'", "é😀"),
        (r"'\uD83D\uDE00'", "😀"),
        (r"'\uD83D'", "\ufffd"),
        (r"'\UFFFFFFFF'", "\ufffd"),
        (r"'\101'", "A"),
        (r"'100\%\_'", r"100\%\_"),
        (r"'\q\\'", "q\\"),
        (r"r'a\nb'", r"a\nb"),
        (r'R"a\"', "a\\"),
        ("$x$a'b$x$", "a'b"),
        ("''", ""),
        ("'\"\"'", '""'),
        ("\"''\"", "''"),
        ("''''", "'"),
    ],
)
def test_string_values(text, value):
    (token,) = tokens(text)
    assert string_value(token) == value


def test_name_values():
    assert [name_value(token) for token in tokens("a `b c` `d``e`")] == ["a", "b c", "d`e"]


SQLISH = st.lists(
    st.one_of(
        st.sampled_from("' \" ` -- /* */ /*+ ${ ${a} } : ; $$ \\ ( ) r' 1.5e . \ufeff \0".split()),
        st.sampled_from([" ", "\n", "\r\n", "\t"]),
        st.text(max_size=4),
    )
).map("".join)


@UNHURRIED
@given(SQLISH)
def test_tokens_cover_all_but_white_space_and_places_agree(text):
    lines = text.split("\n")
    position = 0
    for token in tokens(text):
        assert not text[position : token.start].replace("\ufeff", "").strip()
        assert text[token.start : token.end] == token.text
        assert token.text
        position = token.end
        line = lines[token.line - 1] + "\n"
        assert line[token.column - 1 :].startswith(token.text.split("\n")[0])
    assert not text[position:].replace("\ufeff", "").strip()


def test_random_bytes_do_not_crash_it():
    generator = random.Random(7)
    for _ in range(2000):
        data = bytes(generator.choices(range(256), k=generator.randrange(60)))
        tokens(data.decode("latin-1"))
        tokens(data.decode("utf-8", "replace"))


@pytest.mark.parametrize("piece", ["'", "''", "\\'", "/*", "${", "1e", "`", '"a', "$a$", "--\\\n"])
def test_time_is_linear(piece):
    """A quadratic tokeniser would need minutes here, not parts of a second."""
    begin = time.perf_counter()
    tokens(piece * 50_000)
    tokens("'" + piece * 50_000)
    assert time.perf_counter() - begin < 10
