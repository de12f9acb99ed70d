"""A commit is whole or it is not, whoever wrote it."""

from datetime import UTC, datetime

import pyarrow as pa
import pytest
from deltalake import write_deltalake

from lakeflow.tables.log import Commit, commit_path, parse_commit, read_commit
from lakeflow.tables.recover import check_tail
from lakeflow.tables.store import LocalStore

OURS = Commit("TEST", transactions={"a": 1, "b": 2}).to_bytes(datetime.now(UTC))


def test_whatever_is_cut_off_one_of_ours_is_noticed():
    assert parse_commit(OURS) is not None
    assert [end for end in range(len(OURS)) if parse_commit(OURS[:end]) is not None] == [
        end for end in range(len(OURS)) if OURS[:end].endswith(b"}\n")
    ]


@pytest.mark.parametrize("data", [b"", b"\n", b"\0" * 40, b'{"add": {}}\n{"a', b"1\n"])
def test_what_is_no_commit(data):
    assert parse_commit(data) is None


def test_a_foreign_commit_needs_no_newline_at_its_end(tmp_path):
    write_deltalake(str(tmp_path / "t"), pa.table({"a": [1]}))
    store = LocalStore(tmp_path)
    assert not store.read(commit_path("t", 0)).endswith(b"\n")
    check_tail(store, "t")
    assert store.exists(commit_path("t", 0))
    assert any("add" in action for action in read_commit(store, "t", 0))
