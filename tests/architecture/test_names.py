"""Names say what a thing is, and the tree holds nothing of the machine it was made on."""

from __future__ import annotations

import re

import pytest

DRAWERS = frozenset(
    "util utils helper helpers common misc base manager managers lib core_utils".split()
)
"""Names of folders and modules that say nothing, where anything would fit in."""

# Written so that this file does not hold what it looks for.
FOREIGN = {
    "a path of somebody's machine": r"(?<![\w.])/(?:wor[k]|roo[t]|hom[e]/\w+|User[s]/\w+)/",
    "a name of an assistant": r"(?i)\b(?:clau[d]e|anthropi[c]|chatgp[t]|copilo[t]|opena[i])\b",
    "a work mark": r"\b(?:TOD[O]|FIXM[E]|XX[X])\b",
}


def test_no_drawers(files):
    drawers = [
        str(path)
        for path in files
        if path.suffix == ".py" and DRAWERS & {*path.parts[:-1], path.stem}
    ]
    assert drawers == []


@pytest.mark.parametrize("kind", FOREIGN)
def test_nothing_foreign_in_the_tree(root, files, kind):
    pattern = re.compile(FOREIGN[kind])
    found = []
    for path in files:
        if path.parts[0] == "data" or path.suffix == ".jsonl":  # others wrote that
            continue
        try:
            text = (root / path).read_text()
        except UnicodeDecodeError:
            continue
        found += [
            f"{path}:{number}: {line.strip()}"
            for number, line in enumerate(text.splitlines(), 1)
            if pattern.search(line)
        ]
    assert found == []
