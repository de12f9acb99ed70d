"""The lock of a home: one server holds it, and whoever looks at it keeps nobody out."""

from __future__ import annotations

import fcntl

import pytest

from lakeflow.core.errors import ConflictError
from lakeflow.jobs.home import Home, HomeLock


def test_one_server_holds_it_and_tells_who_it_is(tmp_path):
    home = Home(tmp_path)
    assert home.holder() is None
    held = HomeLock(home, {"address": "http://127.0.0.1:1"})
    holder = home.holder()
    assert holder is not None
    assert holder["address"] == "http://127.0.0.1:1"
    with pytest.raises(ConflictError, match=str(holder["pid"])):
        HomeLock(home, {})
    held.release()
    assert home.holder() is None
    HomeLock(home, {}).release()


def test_somebody_who_looks_keeps_no_server_out(tmp_path):
    """A command looks who holds the lock in the moment in which a server takes it."""
    HomeLock(Home(tmp_path), {}).release()
    looking = (tmp_path / "server.lock").open()
    fcntl.flock(looking, fcntl.LOCK_SH)

    class Looked(Home):
        def holder(self):
            found = Home.holder(self)
            looking.close()
            return found

    HomeLock(Looked(tmp_path), {}).release()
    assert looking.closed
