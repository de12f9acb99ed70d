"""YAML to values: what each spelling means, and where the file says it."""

from __future__ import annotations

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lakeflow.core.errors import ConfigurationError
from lakeflow.jobs.definitions.document import parse_document, read_document
from lakeflow.jobs.definitions.tree import write_path


def value(text):
    return parse_document(text, "a.yml").value


def refusal(text):
    with pytest.raises(ConfigurationError) as caught:
        parse_document(text, "a.yml")
    return str(caught.value)


@pytest.mark.parametrize(
    ("spelling", "meaning"),
    [
        ("yes", "yes"),
        ("on", "on"),
        ("Off", "Off"),
        ("n", "n"),
        ("true", True),
        ("FALSE", False),
        ("tRue", "tRue"),
        ("~", None),
        ("", None),
        ("null", None),
        ("none", "none"),
        ("12", 12),
        ("-3", -3),
        ("0", 0),
        ("0x1F", 31),
        ("0o17", 15),
        ("1.5", 1.5),
        ("1e3", 1000.0),
        ("13.3.x", "13.3.x"),
        ("2024-01-31", "2024-01-31"),
        ("2024-01-31T10:00:00Z", "2024-01-31T10:00:00Z"),
        ("12:30:00", "12:30:00"),
        ("0 0 3 * * ?", "0 0 3 * * ?"),
        ("'0123'", "0123"),
        ("!!str 12", "12"),
        ("!!int '12'", 12),
        ("!!float 1", 1.0),
        ("!!timestamp 2024-01-31", "2024-01-31"),
        ("18446744073709551615", 2**64 - 1),
        ("1.2.3", "1.2.3"),
        ("2024_01_31x", "2024_01_31x"),
        ("{{job.id}}", None),
    ],
)
def test_what_a_scalar_means(spelling, meaning):
    if spelling == "{{job.id}}":  # a mapping in a mapping: the classic slip of quotes
        assert refusal(f"a: {spelling}") == "a.yml:1: A key is not text."
        return
    found = value(f"a: {spelling}")["a"]
    assert found == meaning
    assert type(found) is type(meaning)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: 1\nb: 0123", "a.yml:2: Not everybody reads 0123 as the same number."),
        ("a: 1_000", "a.yml:1: Not everybody reads 1_000 as the same number."),
        ("a: 18446744073709551616", "a.yml:1: A whole number has more than 64 bits."),
        (f"a: {'9' * 5000}", "a.yml:1: A whole number has more than 64 bits."),
        ("a: .nan", "a.yml:1: .nan is no value of JSON."),
        ("a: 1e999", "a.yml:1: 1e999 is too large a number."),
        ("a: 1\nb:\n  c: 1\n  c: 2", "a.yml:4: The key c is here twice."),
        ("a: 1\n---\nb: 2", "a.yml:2: A second document begins here."),
        ("a:\n  ? [x]\n  : 1", "a.yml:2: A key is not text."),
        ("a: *b", "a.yml:1: There is no anchor &b above."),
        ("a: &b\n  c: *b", "a.yml:2: *b lies in the value that it stands for."),
        ("a: !custom 1", "a.yml:1: The tag !custom is not known."),
        ("a: !!python/name:os.system x", "a.yml:1: The tag tag:yaml.org,2002:python/name:os"),
        ("a: !!int x", "a.yml:1: 'x' is not of the type int."),
        ("a: 1\n<<: 2", "a.yml:2: << adds something that is no mapping."),
        ("a: 1\nb: [", "a.yml:3: It is not valid YAML"),
        ("a: 1\nb: \x01", "a.yml:2: It holds a control character."),
        ("a: 1\nb: \ud800", "a.yml:2: It holds half a character."),
        ("[" * 101 + "]" * 101, "a.yml:1: More than 100 values lie in one another."),
        ("- " * 5000, "a.yml:1: More than 100 values lie in one another."),
    ],
)
def test_what_is_refused_is_told_with_its_line(text, said):
    assert refusal(text).startswith(said)


def test_a_byte_that_is_no_text_is_told_with_its_line(tmp_path):
    file = tmp_path / "a.yml"
    file.write_bytes("name: café\nplace: M".encode() + b"\xfcnchen\n")
    with pytest.raises(ConfigurationError, match=r"a\.yml:2: The byte 0xfc is not text"):
        read_document(file)


def test_a_file_that_is_not_there_is_told(tmp_path):
    with pytest.raises(ConfigurationError, match=r"a\.yml:1: .* cannot be read: No such file"):
        read_document(tmp_path / "a.yml")


def test_a_mark_at_the_beginning_is_passed_over(tmp_path):
    file = tmp_path / "a.yml"
    file.write_bytes(b"\xef\xbb\xbfname: x\r\n")
    assert read_document(file).value == {"name": "x"}


def test_anchors_and_merge_keys():
    text = """\
base: &base {retries: 2, timeout: 60}
more: &more {timeout: 90, queue: true}
one:
  <<: *base
  timeout: 5
two:
  <<: [*more, *base]
list: [*base]
"""
    found = value(text)
    assert found["one"] == {"retries": 2, "timeout": 5}
    assert found["two"] == {"retries": 2, "timeout": 90, "queue": True}
    assert found["list"] == [{"retries": 2, "timeout": 60}]


def test_anchors_that_multiply_are_refused():
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    assert "more than 500000 values" in refusal("\n".join(lines))


def test_a_list_item_stands_where_it_begins():
    found = parse_document("tasks:\n  - task_key: a\n    libraries:\n      - whl: x\n", "a.yml")
    lines = {write_path(path): place.line for path, place in found.locations.items()}
    assert lines["tasks[0]"] == lines["tasks[0].task_key"] == 2
    assert lines["tasks[0].libraries"] == 3
    assert lines["tasks[0].libraries[0].whl"] == 4


UNHURRIED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

keys = st.text("abcdefgh", min_size=1, max_size=6)
texts = st.text("ab1:#- \t\n\r\x00\x7f\x85é\u2028\ufeff\\\"'{[&*!%@`|>", max_size=8)
scalars = st.none() | st.booleans() | st.integers(-(2**63), 2**63) | texts
trees = st.recursive(
    scalars, lambda below: st.lists(below, max_size=4) | st.dictionaries(keys, below, max_size=4)
)


@UNHURRIED
@given(trees)
def test_json_is_yaml(tree):
    text = json.dumps(tree)
    assert value(text) == json.loads(text)


def block(tree, indent=0):
    """The lines of a tree, one key or item each."""
    pad = "  " * indent
    for key, below in tree.items():
        if isinstance(below, dict) and below:
            yield f"{pad}{key}:"
            yield from block(below, indent + 1)
        elif isinstance(below, list) and below:
            yield f"{pad}{key}:"
            for item in below:
                yield f"{pad}  -"
                yield from block({"item": item}, indent + 2)
        else:
            yield f"{pad}{key}: {json.dumps(below)}"


@UNHURRIED
@given(st.dictionaries(keys, trees, max_size=4))
def test_each_located_line_holds_its_key(tree):
    lines = list(block(tree))
    for path, place in parse_document("\n".join(lines), "a.yml").locations.items():
        if path and isinstance(path[-1], str):
            assert lines[place.line - 1].strip().startswith(f"{path[-1]}:")


marks = st.sampled_from(list(":-?[]{},&*!|>'\"%@`#<~ \n\tab01_.\x00é\ud800\U0001f600"))


@UNHURRIED
@given(st.lists(marks, max_size=40).map("".join))
def test_any_text_is_read_or_refused_with_a_place(text):
    place = None
    try:
        place = parse_document(text, "a.yml").root.location
    except ConfigurationError as error:
        place = error.location
    assert place is not None
    assert 1 <= place.line <= text.count("\n") + 2
