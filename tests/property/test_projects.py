"""Laws of reading project files, and what must hold for any file at all."""

from __future__ import annotations

import json
import re
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from lakeflow.core.errors import ConfigurationError
from lakeflow.core.location import Location
from lakeflow.jobs.definitions.bundle.load import load_bundle
from lakeflow.jobs.definitions.document import parse_document
from lakeflow.jobs.definitions.merge import merge
from lakeflow.jobs.definitions.project import find_jobs
from lakeflow.jobs.definitions.substitution import Resolver
from lakeflow.jobs.definitions.tree import placed, plain

HERE = Location("a.yml", 1)
ALONE = {"USER": "ada"}
UNHURRIED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

words = st.sampled_from(["name", "tasks", "a", "b", "c", "task_key", "x y"])
leaves = st.none() | st.booleans() | st.integers(-5, 5) | st.sampled_from(["", "a", "b", "1"])
trees = st.recursive(
    leaves, lambda below: st.lists(below, max_size=3) | st.dictionaries(words, below, max_size=3)
)
mappings = st.dictionaries(words, trees, max_size=4)


def laid(base, over):
    return plain(merge(placed(base, HERE), placed(over, HERE)))


@UNHURRIED
@given(mappings)
def test_a_target_that_says_nothing_changes_nothing(base):
    assert laid(base, {}) == base
    assert laid(base, None) == base


@UNHURRIED
@given(mappings, mappings)
def test_what_a_target_says_is_so_afterwards(base, over):
    def holds(said, found, before):
        if said is None:
            return found == before
        if isinstance(said, dict) and isinstance(before, dict):
            return all(holds(each, found[key], before.get(key)) for key, each in said.items())
        if isinstance(said, list) and isinstance(before, list):
            return found == before + said
        return found == said

    assert holds(over, laid(base, over), base)


@UNHURRIED
@given(mappings, mappings)
def test_what_a_target_does_not_say_stays(base, over):
    def kept(found, before, said):
        if isinstance(before, dict) and isinstance(said, dict):
            return all(kept(found[key], each, said.get(key)) for key, each in before.items())
        return said is not None or found == before

    assert kept(laid(base, over), base, over)


keys = st.sampled_from("abcde")
things = st.lists(
    st.fixed_dictionaries({"task_key": keys}, optional={"n": st.integers(0, 9), "m": leaves}),
    max_size=5,
    unique_by=lambda thing: thing["task_key"],
)


@UNHURRIED
@given(things, things)
def test_tasks_merge_by_their_keys(base, over):
    def bundle(tasks):
        return {"resources": {"jobs": {"j": {"tasks": tasks}}}}

    # The slow way: a task is what both say of it, those that are there come first.
    order = list(dict.fromkeys(task["task_key"] for task in [*base, *over]))
    expected = []
    for key in order:
        merged = {}
        for task in [*base, *over]:
            if task["task_key"] == key:
                merged |= {n: v for n, v in task.items() if v is not None or n not in merged}
        expected.append(merged)
    assert laid(bundle(base), bundle(over)) == bundle(expected)


def write(folder, files):
    for name, content in files.items():
        path = Path(folder) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content if isinstance(content, str) else json.dumps(content))


@settings(UNHURRIED, max_examples=25)
@given(st.dictionaries(st.sampled_from("abcdef"), st.integers(0, 3), min_size=2), st.data())
def test_the_order_of_files_does_not_matter(jobs, data):
    parts = [
        {"resources": {"jobs": {key: {"name": key, "max_concurrent_runs": number}}}}
        for key, number in jobs.items()
    ]
    found = []
    for order in (range(len(parts)), data.draw(st.permutations(range(len(parts))))):
        with tempfile.TemporaryDirectory() as folder:
            names = [f"{number}.yml" for number in order]
            write(folder, {"databricks.yml": {"bundle": {"name": "x"}, "include": names}})
            write(folder, {f"{number}.yml": parts[number] for number in order})
            declared = load_bundle(Path(folder), environment=ALONE)
            found.append({key: job.settings for key, job in declared.jobs.items()})
    assert found[0] == found[1]
    assert set(found[0]) == set(jobs)


names = st.sampled_from("abcd")
reference = names.map(lambda name: f"${{var.{name}}}")
values = (
    st.integers(0, 9)
    | reference
    | st.lists(reference | st.sampled_from(["x", "-"]), max_size=3).map("".join)
    | st.lists(reference | st.integers(0, 9), max_size=2)
)
variables = st.fixed_dictionaries(dict.fromkeys("abcd", values))
PATTERN = re.compile(r"\$\{var\.(\w)\}")


class DoesNotSettle(Exception):
    pass


class DoesNotFit(Exception):
    pass


def once(value, known):
    """Replaces each reference by what the variable is written as."""
    if isinstance(value, list):
        return [once(each, known) for each in value]
    if not isinstance(value, str):
        return value
    whole = PATTERN.fullmatch(value)
    if whole:
        return known[whole[1]]
    parts = [known[name] for name in PATTERN.findall(value)]
    if any(isinstance(part, list) for part in parts):
        raise DoesNotFit
    return PATTERN.sub(lambda match: str(known[match[1]]), value)


def settled(value, known):
    """Replaces until nothing is left to be replaced."""
    for _ in range(8):  # there are four variables
        value = once(value, known)
        if "${" not in json.dumps(value):
            return value
        if len(json.dumps(value)) > 10_000:
            break
    raise DoesNotSettle


@UNHURRIED
@given(variables, values)
def test_references_against_replacing_again_and_again(known, value):
    tree = placed({"var": known}, HERE)
    resolver = Resolver(tree, frozenset({"var"}))
    try:
        expected = settled(value, known)
    except (DoesNotSettle, DoesNotFit):
        with pytest.raises(ConfigurationError):
            plain(resolver.resolve(placed(value, HERE)))
    else:
        assert plain(resolver.resolve(placed(value, HERE))) == expected


def test_a_long_chain_of_references_is_refused():
    def chain(length):
        known = {f"v{n}": f"${{var.v{n + 1}}}" for n in range(length)} | {f"v{length}": 1}
        resolver = Resolver(placed({"var": known}, HERE), frozenset({"var"}))
        return plain(resolver.resolve(placed("${var.v0}", HERE)))

    assert chain(99) == 1
    with pytest.raises(ConfigurationError, match="More than 100 references"):
        chain(100)


def test_references_that_multiply_are_refused():
    known = {f"v{n}": f"${{var.v{n + 1}}}" * 10 for n in range(9)} | {"v9": "0123456789"}
    resolver = Resolver(placed({"var": known}, HERE), frozenset({"var"}))
    with pytest.raises(ConfigurationError, match="more than 1000000 characters"):
        resolver.resolve(placed("${var.v0}", HERE))


GOLDEN = Path(__file__).parents[1] / "golden/projects"
odd = (
    st.none()
    | st.booleans()
    | st.integers(-2, 2)
    | st.sampled_from(
        "a development production complex CAN_RUN *.yml ../x / ${ ${var.x} ${var} ${bundle.name} "
        "${bundle} ${resources.jobs.score.id} ${resources.jobs.score.name} ${resources} ${x} "
        "${resources.jobs} ${resources.jobs.score} ${workspace.file_path}/x a${var.tags} [ "
        "${bundle.target}-${bundle.name} -r.txt x.whl ${workspace.current_user} ${var.cluster.x} "
        "${variables.node.value}".split()
    )
)
some = odd | st.lists(odd, max_size=2) | st.dictionaries(words, odd, max_size=2)


def golden(name):
    """The files of a golden project, each as text or, if it is YAML, as JSON."""
    blocks = re.split(r"^==== (.*)\n", (GOLDEN / f"{name}.txt").read_text(), flags=re.MULTILINE)
    pairs = zip(blocks[1::2], blocks[2::2], strict=True)
    return {
        name: parse_document(text, name).value if name.endswith(("yml", "yaml")) else text
        for name, text in pairs
        if not name.startswith("expected")
    }


def spots(value, around=()):
    """Every place in a value at which something may be changed."""
    below = value.items() if isinstance(value, dict) else enumerate(value)
    for key, each in list(below):
        yield value, key
        if isinstance(each, dict | list):
            yield from spots(each)


def mutated(data, files):
    """Changes a few places of the files, anywhere in them."""
    for _ in range(data.draw(st.integers(1, 3))):
        places = [spot for each in files.values() if isinstance(each, dict) for spot in spots(each)]
        value, key = data.draw(st.sampled_from(places))
        match data.draw(st.sampled_from(["replace", "wrap", "remove", "add", "rename"])):
            case "replace":
                value[key] = data.draw(some)
            case "wrap":
                value[key] = [value[key]]
            case "remove":
                del value[key]
            case "add" if isinstance(value, dict):
                value[data.draw(words)] = data.draw(some)
            case "rename" if isinstance(value, dict):
                value[data.draw(words)] = value.pop(key)
    return files


@settings(UNHURRIED, max_examples=25)
@pytest.mark.parametrize("name", sorted(path.stem for path in GOLDEN.glob("*.txt")))
@given(st.data())
def test_any_project_is_read_or_refused_with_a_place(name, data):
    files = mutated(data, golden(name))
    with tempfile.TemporaryDirectory() as folder:
        write(folder, files)
        place = HERE
        try:
            declared = find_jobs(Path(folder), environment=ALONE)
        except ConfigurationError as error:
            place = error.location
        else:
            for each in declared.resources.values():
                json.dumps(each.settings, allow_nan=False)
                assert each.locate("tasks", 0, "x") is not None
        assert place is not None


jobs = st.dictionaries(st.sampled_from(["j", "x"]), st.dictionaries(words, trees), max_size=2)


@settings(UNHURRIED, max_examples=50)
@given(jobs)
def test_each_place_holds_its_key(content):
    content = {"bundle": {"name": "b"}, "resources": {"jobs": content}}
    with tempfile.TemporaryDirectory() as folder:
        text = json.dumps(content, indent=1)
        write(folder, {"databricks.yml": text})
        try:
            declared = load_bundle(Path(folder), environment=ALONE)
        except ConfigurationError:
            assume(False)
        lines = text.splitlines()
        for job in declared.jobs.values():
            for path, place in job.locations.items():
                key = next(each for each in reversed((job.key, *path)) if isinstance(each, str))
                if path[-1:] != () and isinstance(path[-1], int):
                    continue
                assert f'"{key}":' in lines[place.line - 1]
