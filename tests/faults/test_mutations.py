"""The mutations still fit the source, so that running them shows something."""

import shutil
from pathlib import Path

import pytest

from tests.faults.mutations import ROOT, Mutation, apply, mutations


@pytest.mark.parametrize("mutation", list(mutations()), ids=lambda mutation: mutation.name)
def test_mutation_fits_the_source(tmp_path: Path, mutation: Mutation) -> None:
    assert mutation.edits
    for edit in mutation.edits:
        (tmp_path / edit.path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / edit.path, tmp_path / edit.path)
    before = {edit.path: (tmp_path / edit.path).read_text() for edit in mutation.edits}
    apply(mutation, tmp_path)
    for path, text in before.items():
        changed = (tmp_path / path).read_text()
        assert changed != text
        compile(changed, path, "exec")
