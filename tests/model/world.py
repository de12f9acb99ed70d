"""What there is in the model of a batch: logs, records, a ledger, and the updates at work."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

MAIN, COMPANION = 0, 1


@dataclass(frozen=True)
class Bounds:
    """How far a scenario goes, and which rule it leaves out."""

    rows: int = 1
    updates: int = 2
    flows: int = 1
    kills: int = 0
    losses: int = 0
    edits: int = 0
    compactions: int = 0
    refreshes: int = 0
    expiring: bool = False
    strict: bool = False
    mutation: str = ""


@dataclass(frozen=True, slots=True)
class Commit:
    """A version of a log; `rows` pairs a row with the definition that judged it."""

    flow: int = -1
    generation: int = 0
    batch: int = 0
    attempt: int = 0
    epoch: int = 0
    rows: tuple[tuple[int, int], ...] = ()
    file: int = -1
    swap: bool = False


@dataclass(frozen=True, slots=True)
class Record:
    """An intent or a prepared batch."""

    kind: str
    flow: int
    generation: int
    batch: int
    number: int
    start: int
    end: int
    epoch: int = 0
    parts: tuple[tuple[tuple[int, int], ...], ...] = ()
    file: int = -1
    swap: bool = False


@dataclass(frozen=True, slots=True)
class Process:
    """An update at work on one flow; `at` names the failpoint that it passes next."""

    at: str
    update: int
    flow: int = 0
    epoch: int = 0
    definition: int = -1
    generation: int = 0
    batch: int = 0
    attempt: int = 0
    waiting: int = 0
    swap: bool = False
    base: int = 0
    seen: tuple[int, ...] = ()
    file: int = -1
    held: Record | None = None
    recovered: bool = False


@dataclass(frozen=True, slots=True)
class World:
    """Everything outside the processes, and the processes."""

    arrived: int = 1
    ledger: tuple[tuple[int, ...], ...] = ()
    definition: int = 0
    ran: int = -1  # the newest definition by which an update has come to its end
    epoch: int = 0
    holder: int = -1
    requested: int = 0
    logs: tuple[tuple[Commit, ...], ...] = ((), ())
    records: frozenset[Record] = frozenset()
    unsynced: frozenset[Record | str | int] = frozenset()
    durable: tuple[int, int, int] = (0, 0, 0)  # of main, the companion and the ledger
    files: int = 0
    vanished: frozenset[int] = frozenset()
    started: int = 0
    kills: int = 0
    losses: int = 0
    compactions: int = 0
    processes: tuple[Process, ...] = ()


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What a log says."""

    generation: int
    epoch: int
    taken: tuple[tuple[int, int, int], ...]  # flow, batch, attempt
    rows: tuple[tuple[int, int, int, int], ...]  # flow, batch, row, definition

    def of(self, flow: int) -> tuple[int, int]:
        return next(((b, a) for f, b, a in self.taken if f == flow), (0, 0))


@cache
def snapshot(log: tuple[Commit, ...]) -> Snapshot:
    """Replays a log."""
    generation = epoch = 0
    taken: dict[int, tuple[int, int]] = {}
    rows: list[tuple[int, int, int, int]] = []
    for commit in log:
        epoch = max(epoch, commit.epoch)
        if commit.swap:
            generation, taken, rows = commit.generation, {}, []
        if commit.flow >= 0:
            taken[commit.flow] = (commit.batch, commit.attempt)
            rows += [(commit.flow, commit.batch, row, by) for row, by in commit.rows]
    return Snapshot(
        generation, epoch, tuple((f, *t) for f, t in sorted(taken.items())), tuple(rows)
    )
