"""Named places where tests stop, kill or break the program.

`LAKEFLOW_FAILPOINT=name:nth:action` acts the `nth` time (from 1) that `name` is passed. Actions:
`kill` (SIGKILL), `stop` (SIGSTOP), `raise` (an OSError), `enospc` (the disk is full). Several are
separated by commas. Without the variable a passage costs one dictionary look-up.
"""

from __future__ import annotations

import errno
import os
import signal
import threading
from dataclasses import dataclass

VARIABLE = "LAKEFLOW_FAILPOINT"

NAMES = frozenset(
    """
    lease.acquired fence.main fence.companion
    recover.listed recover.main recover.companion recover.discard
    ledger.linked ledger.synced source.attached
    intent.linked intent.synced intent.superseded
    stage.partial stage.written stage.synced
    prepared.linked prepared.synced
    commit.snapshot commit.linked commit.synced commit.conflict commit.between_main_and_companion
    companion.committed records.deleted source.acknowledged event.written
    refresh.requested refresh.staged_flow refresh.swapped_main refresh.swapped_companion
    upkeep.listed compact.staged
    store.write
    jobs.result.received jobs.turn.written jobs.turn.committed jobs.attempt.handed
    jobs.repair.written jobs.recover.swept jobs.tick.written
    jobs.history.read jobs.history.staged jobs.history.committed jobs.history.followed
    jobs.notice.sent jobs.checkout.made
    """.split()
)


@dataclass(frozen=True, slots=True)
class Action:
    """What happens at the nth passage of a failpoint."""

    nth: int
    kind: str


def parse(text: str) -> dict[str, list[Action]]:
    """Reads the value of `LAKEFLOW_FAILPOINT`.

    Raises:
        ValueError: A name or action is unknown.
    """
    actions: dict[str, list[Action]] = {}
    for part in filter(None, text.split(",")):
        name, nth, kind = part.split(":")
        if name not in NAMES or kind not in ("kill", "stop", "raise", "enospc"):
            raise ValueError(f"unknown failpoint {part!r}")
        actions.setdefault(name, []).append(Action(int(nth), kind))
    return actions


_actions: dict[str, list[Action]] = parse(os.environ.get(VARIABLE, ""))
_passed: dict[str, int] = {}
_lock = threading.Lock()


def arm(text: str) -> None:
    """Replaces the armed failpoints of this process and starts counting anew."""
    global _actions  # noqa: PLW0603 - a test arms its own process
    with _lock:
        _actions = parse(text)
        _passed.clear()


def failpoint(name: str) -> None:
    """Marks a place; acts if a test has armed it."""
    actions = _actions.get(name)
    if actions is None:
        return
    with _lock:
        _passed[name] = count = _passed.get(name, 0) + 1
    for action in actions:
        if action.nth == count:
            _act(name, action.kind)


def _act(name: str, kind: str) -> None:
    if kind == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    elif kind == "stop":
        os.kill(os.getpid(), signal.SIGSTOP)
    elif kind == "enospc":
        raise OSError(errno.ENOSPC, f"failpoint {name}")
    else:
        raise OSError(errno.EIO, f"failpoint {name}")
