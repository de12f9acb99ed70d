"""Golden pairs: the files of a project and what they declare.

A case is a text file: words on what it is about, then `==== path` before each file of the project,
and at last `==== expected TARGET`, with `--var name=value` and `NAME=value` of the environment
behind it: the resources as YAML, and whatever else is declared.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from lakeflow.jobs.definitions.project import find_jobs
from lakeflow.jobs.settings.reading import read_job

FOLDER = Path(__file__).parent / "projects"


@dataclass(frozen=True)
class Case:
    name: str
    files: dict[str, str]
    target: str | None
    variables: dict[str, str]
    environment: dict[str, str]
    expected: str


def cases() -> Iterator[Case]:
    for path in sorted(FOLDER.glob("*.txt")):
        blocks = re.split(r"^==== (.*)\n", path.read_text(), flags=re.MULTILINE)[1:]
        pairs = list(zip(blocks[::2], blocks[1::2], strict=True))
        files = {name: text for name, text in pairs if not name.startswith("expected")}
        for name, text in pairs:
            if name.startswith("expected"):
                words = name.split()[1:]
                given = dict(word.split("=", 1) for word in words if "=" in word)
                yield Case(
                    " ".join([path.stem, *words]),
                    files,
                    words[0] if words and "=" not in words[0] and words[0] != "--var" else None,
                    {name: each for name, each in given.items() if name.islower()},
                    {name: each for name, each in given.items() if not name.islower()},
                    text,
                )


def shown(declared, folder):
    """What is declared, without what is empty."""
    dotted = {".".join(name): each for name, each in declared.resources.items()}
    found = {
        "name": declared.name,
        "mode": declared.mode,
        **{name: each.settings for name, each in dotted.items()},
        "permissions": {name: list(each.permissions) for name, each in dotted.items()},
        "references": {
            name: sorted(map(".".join, each.references)) for name, each in dotted.items()
        },
        "lookups": {name: [each.kind, each.name] for name, each in declared.lookups.items()},
        "artifacts": declared.artifacts,
        "sync": declared.sync,
        "warnings": [
            str(each).removeprefix(f"{folder}/").split("\n")[0] for each in declared.warnings
        ],
    }
    for part in ("permissions", "references"):
        found[part] = {name: each for name, each in found[part].items() if each}
    return {name: each for name, each in found.items() if each}


@pytest.mark.parametrize("case", list(cases()), ids=lambda case: case.name)
def test_golden(case, tmp_path):
    for name, text in case.files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    declared = find_jobs(
        tmp_path,
        target=case.target,
        variables=case.variables,
        environment={"USER": "ada@team.example", **case.environment},
    )
    assert shown(declared, tmp_path) == yaml.safe_load(case.expected)
    for job in declared.jobs.values():
        read_job(job.settings, strict=case.target is None, locate=job.locations.get)
