"""Statements by a clock that a test moves."""

from __future__ import annotations

import pytest

from lakeflow.core.settings import Settings
from lakeflow.server.answers import Refused
from lakeflow.server.statements import KEPT, LINK, UNSEEN, Asked, Statements

SLOW = "SELECT count(*) FROM RANGE(200000) a CROSS JOIN RANGE(200000) b WHERE a.id * b.id = 7"


class Time:
    now = 1_000_000

    def __call__(self) -> int:
        return self.now


@pytest.fixture
def time():
    return Time()


@pytest.fixture
def statements(tmp_path, time):
    settings = Settings.load({}, lakehouse=tmp_path / "lakehouse")
    found = Statements(tmp_path / "statements", settings, time)
    yield found
    found.close()


def done(statement):
    assert statement.done.wait(60)
    return statement


def test_a_result_is_kept_for_an_hour(statements, time):
    found = done(statements.begin(Asked("SELECT 1")))
    assert (found.state, found.chunks[0].rows) == ("SUCCEEDED", 1)
    time.now += KEPT
    assert statements.find(found.id) is found
    time.now += 1
    with pytest.raises(Refused, match="was not found"):
        statements.find(found.id)
    assert not found.folder.exists()


def test_what_nobody_waits_for_is_cancelled(statements, time):
    found = statements.begin(Asked(SLOW))
    time.now += UNSEEN
    statements.find(found.id)
    time.now += UNSEEN + 1
    done(statements.begin(Asked("SELECT 1")))
    assert done(found).state == "CANCELED"


def test_an_address_holds_for_a_while_and_for_one_part(statements, time):
    found = done(statements.begin(Asked("SELECT 1")))
    path, expires = statements.link(found, 0)
    signature = path.rpartition("=")[2]
    assert statements.linked(found.id, 0, expires, signature)
    assert not statements.linked(found.id, 1, expires, signature)
    assert not statements.linked(found.id, 0, expires + 1, signature)
    assert not statements.linked("other", 0, expires, signature)
    assert not statements.linked(found.id, 0, expires, "ü")
    time.now += LINK
    assert not statements.linked(found.id, 0, expires, signature)


def test_an_inline_result_has_an_end(statements):
    sql = "SELECT repeat('x', 1000) FROM RANGE(30000)"
    found = done(statements.begin(Asked(sql)))
    assert found.state == "FAILED"
    assert "EXTERNAL_LINKS" in found.error["message"]
    assert done(statements.begin(Asked(sql, inline=False))).state == "SUCCEEDED"


def test_the_end_of_the_server_ends_them(statements):
    found = statements.begin(Asked(SLOW))
    statements.close()
    assert found.state in ("CANCELED", "PENDING")
