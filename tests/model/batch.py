"""A model of one table with a companion, written batch by batch (scenarios S1, S2, S4, S6).

A step of a process is named after the failpoint that it passes. Names that begin with a star are
steps of the world: kills, loss of power, files that arrive, code that is edited, a compaction. The
mutations leave out one rule each; the tests show that every one of them breaks a promise.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from itertools import product

from tests.model.explorer import Violation
from tests.model.world import COMPANION, MAIN, Bounds, Commit, Process, Record, World, snapshot

Steps = Iterator[tuple[str, World, Process | None]]


class Model:
    """The protocol within bounds."""

    def __init__(self, bounds: Bounds) -> None:
        self.bounds = bounds
        self.finished: dict[World, str | None] = {}

    def without(self, rule: str) -> bool:
        return self.bounds.mutation == rule

    # What happens around the processes.

    def successors(self, w: World) -> Iterator[tuple[str, World]]:
        b = self.bounds
        for index, process in enumerate(w.processes):
            for label, world, after in self.step(w, process):
                rest = world.processes[:index] + world.processes[index + 1 :]
                kept = rest if after is None else (*rest[:index], after, *rest[index:])
                yield label, self.released(replace(world, processes=kept))
        if w.started < b.updates:
            yield "*start", self.start(w, w.started)
        if w.kills < b.kills:
            for update in {p.update for p in w.processes}:
                kept = tuple(p for p in w.processes if p.update != update)
                yield "*kill", self.released(replace(w, processes=kept, kills=w.kills + 1))
        if w.losses < b.losses:
            yield from self.loss(w)
        if w.arrived < b.rows:
            yield "*arrive", replace(w, arrived=w.arrived + 1)
        if w.definition < b.edits:
            yield "*edit", replace(w, definition=w.definition + 1)
        if w.compactions < b.compactions:
            logs = ((*w.logs[MAIN], Commit()), w.logs[COMPANION])
            yield (
                "*compact",
                self.synced(replace(w, logs=logs, compactions=w.compactions + 1), MAIN),
            )

    def start(self, w: World, update: int) -> World:
        # The last updates ask for a full refresh, where the bounds say so.
        swap = update >= self.bounds.updates - self.bounds.refreshes and update >= 0
        first = Process("lease.acquired", update, swap=swap)
        return replace(w, processes=(*w.processes, first), started=w.started + 1)

    def released(self, w: World) -> World:
        """The lock ends with its process."""
        alive = {p.update for p in w.processes}
        return w if w.holder in alive or w.holder == -1 else replace(w, holder=-1)

    def loss(self, w: World) -> Iterator[tuple[str, World]]:
        """Everything that was not synced is there afterwards or is not."""
        whole = (len(w.logs[MAIN]), len(w.logs[COMPANION]), len(w.ledger))
        records = sorted((r for r in w.unsynced if isinstance(r, Record)), key=repr)
        files = frozenset(f for f in w.unsynced if isinstance(f, int))
        cuts = [(a,) if a == z else (a, z) for a, z in zip(w.durable, whole, strict=True)]
        for main, companion, ledger in product(*cuts):
            for gone in product((False, True), repeat=len(records)):
                lost = {r for r, g in zip(records, gone, strict=True) if g}
                for vanished in {files, frozenset()}:
                    yield (
                        "*loss",
                        replace(
                            w,
                            losses=w.losses + 1,
                            holder=-1,
                            processes=(),
                            logs=(w.logs[MAIN][:main], w.logs[COMPANION][:companion]),
                            ledger=w.ledger[:ledger],
                            records=w.records - lost,
                            unsynced=frozenset(),
                            durable=(main, companion, ledger),
                            vanished=w.vanished | vanished,
                        ),
                    )

    def synced(self, w: World, *what: int | str) -> World:
        """Folders become durable: a log, the ledger (2), or the records."""
        if self.without("no_sync"):
            return w
        whole = (len(w.logs[MAIN]), len(w.logs[COMPANION]), len(w.ledger))
        durable = tuple(whole[i] if i in what else w.durable[i] for i in range(3))
        unsynced = w.unsynced
        if "records" in what:
            unsynced = frozenset(r for r in unsynced if not isinstance(r, Record))
        return replace(w, durable=durable, unsynced=unsynced)

    # What a process does.

    def step(self, w: World, p: Process) -> Steps:
        if self.bounds.expiring and p.at not in ("lease.acquired", "fence.main"):
            missing = (
                p.at in ("companion.linked", "position", "recover.companion")
                and self.named(w, p) is None
            )
            if missing and max(snapshot(log).epoch for log in w.logs) > p.epoch:
                yield "stopped", w, None  # a newer holder has deleted the record
                return
        yield from getattr(self, p.at.replace(".", "_"))(w, p)

    def lease_acquired(self, w: World, p: Process) -> Steps:
        if not self.bounds.expiring and w.holder != -1:
            return
        at = "fence.main" if self.bounds.expiring else "recover.listed"
        if self.without("fence_after_listing") or self.without("no_fence"):
            at = "recover.listed"
        if self.without("recovery_after_user_code"):
            at = "load"
        w = replace(w, epoch=w.epoch + 1, holder=p.update)
        if p.swap:
            w = replace(w, requested=w.requested + 1)
        p = replace(p, at=at, epoch=w.epoch, swap=False)
        others = tuple(replace(p, flow=f) for f in range(1, self.bounds.flows))
        yield "lease.acquired", replace(w, processes=(*w.processes, *others)), p

    def fence(self, w: World, p: Process, table: int, then: str) -> Steps:
        label = "fence.companion" if table else "fence.main"
        if self.overtaken(w, p, table):
            yield "stopped", w, None
            return
        w = self.append(w, table, Commit(epoch=p.epoch))
        yield label, self.synced(w, table), replace(p, at=then)

    def fence_main(self, w: World, p: Process) -> Steps:
        yield from self.fence(w, p, MAIN, "fence.companion")

    def fence_companion(self, w: World, p: Process) -> Steps:
        late = self.without("fence_after_listing")
        yield from self.fence(w, p, COMPANION, "recover.companion" if late else "recover.listed")

    def recover_listed(self, w: World, p: Process) -> Steps:
        if not self.without("no_finder_sync"):
            w = self.synced(w, MAIN, COMPANION, "records")
        main = snapshot(w.logs[MAIN])
        batch, attempt = main.of(p.flow)
        waiting = self.attempts(w, p.flow, main.generation, batch + 1)
        p = replace(
            p, generation=main.generation, batch=batch, attempt=attempt,
            waiting=max(waiting, default=0), at="recover.companion",
        )  # fmt: skip
        if self.without("fence_after_listing") and self.bounds.expiring:
            p = replace(p, at="fence.main")
        yield "recover.listed", w, p

    def recover_companion(self, w: World, p: Process) -> Steps:
        after = replace(p, at="recover.main" if p.waiting else "load", recovered=True)
        if self.without("recovery_after_user_code"):
            after = replace(after, at="load")
        if p.batch == 0:
            yield "recover.companion", w, after
            return
        for label, world, done in self.follow(w, p, after):
            yield ("recover.companion" if done else label), self.synced(world, COMPANION), done

    def recover_main(self, w: World, p: Process) -> Steps:
        if self.bounds.expiring and not self.without("no_discard"):
            yield "recover.discard", w, replace(p, at="load", waiting=0)
            return
        held = self.find(w, "prepared", p.flow, p.generation, p.batch + 1, p.waiting)
        if held is None:  # a newer holder has deleted it
            yield "stopped", w, None
            return
        for label, world, after in self.commit(w, replace(p, held=held), "position"):
            if label == "conflict":
                yield "recover.main", world, replace(p, at="load", waiting=0, held=None)
            else:
                yield "recover.main", self.synced(world, MAIN), after

    def load(self, w: World, p: Process) -> Steps:
        """The user's code is loaded."""
        p = replace(p, at="admit", definition=w.definition, waiting=0, held=None)
        yield "load", w, p

    def admit(self, w: World, p: Process) -> Steps:
        """The source is listed and compared with the ledger, found durable or made so."""
        if not (self.without("ledger_without_sync") or self.without("no_finder_sync")):
            w = self.synced(w, 2)
        seen = {row for entry in w.ledger for row in entry}
        new = tuple(row for row in range(w.arrived) if row not in seen)
        at = "ledger.linked" if new else "position"
        yield "admit", w, replace(p, at=at, seen=new, base=len(w.ledger))

    def ledger_linked(self, w: World, p: Process) -> Steps:
        if len(w.ledger) != p.base and not self.without("ledger_without_comparison"):
            yield "ledger.lost", w, replace(p, at="admit")
            return
        w = replace(w, ledger=(*w.ledger, p.seen))
        yield "ledger.linked", w, replace(p, at="ledger.synced")

    def ledger_synced(self, w: World, p: Process) -> Steps:
        if not self.without("ledger_without_sync"):
            w = self.synced(w, 2)
        yield "ledger.synced", w, replace(p, at="position")

    def position(self, w: World, p: Process) -> Steps:
        """Where the flow stands decides what comes next."""
        main = snapshot(w.logs[MAIN])
        batch, attempt = main.of(p.flow)
        p = replace(p, generation=main.generation, batch=batch, attempt=attempt, held=None)
        decided = self.named(w, p)
        if batch and decided is None:
            raise Violation("the record that main names is missing")
        if p.definition < 0:  # still recovering: main has just been decided
            yield "position", w, replace(p, at="recover.companion", waiting=0)
            return
        start = decided.end if decided else 0
        if self.without("position_of_intent"):
            intents = [r.end for r in w.records if r.kind == "intent" and r.flow == p.flow]
            start = max(intents, default=0)
        if p.swap:
            raise AssertionError
        if w.requested > main.generation:
            p = replace(p, generation=main.generation + 1, batch=0, attempt=0, swap=True)
            start = 0
        if self.find(w, "intent", p.flow, p.generation, p.batch + 1, 1):
            staged = self.attempts(w, p.flow, p.generation, p.batch + 1)
            if p.swap and staged and not self.bounds.expiring:
                held = self.find(w, "prepared", p.flow, p.generation, 1, max(staged))
                yield "position", w, replace(p, at="refresh.staged_flow", held=held)
            else:
                yield "position", w, replace(p, at="stage.written")
        elif start < len(w.ledger):
            yield "position", w, replace(p, at="intent.linked", base=start)
        elif self.without("recovery_after_user_code") and not p.recovered:
            yield "position", w, replace(p, at="recover.companion")
        else:
            yield "*end", replace(w, ran=max(w.ran, p.definition)), None

    def intent_linked(self, w: World, p: Process) -> Steps:
        key = ("intent", p.flow, p.generation, p.batch + 1, 1)
        if not self.find(w, *key):
            end = len(w.ledger) if p.swap else p.base + 1
            w = self.put(w, Record(*key, p.base, end, p.epoch))
        yield "intent.linked", w, replace(p, at="intent.synced")

    def intent_synced(self, w: World, p: Process) -> Steps:
        yield "intent.synced", self.synced(w, "records"), replace(p, at="stage.written")

    def stage_written(self, w: World, p: Process) -> Steps:
        w = replace(w, files=w.files + 1, unsynced=w.unsynced | {w.files + 1})
        yield "stage.written", w, replace(p, at="stage.synced", file=w.files)

    def stage_synced(self, w: World, p: Process) -> Steps:
        if not self.without("no_sync"):
            w = replace(w, unsynced=w.unsynced - {p.file})
        yield "stage.synced", w, replace(p, at="prepared.linked")

    def prepared_linked(self, w: World, p: Process) -> Steps:
        intent = self.find(w, "intent", p.flow, p.generation, p.batch + 1, 1)
        if intent is None:  # a newer holder has deleted it
            yield "stopped", w, None
            return
        rows = [row for entry in w.ledger[intent.start : intent.end] for row in entry]
        sides: tuple[list[tuple[int, int]], list[tuple[int, int]]] = ([], [])
        for row in rows:
            sides[(row + p.definition) % 2].append((row, p.definition))
        taken = self.attempts(w, p.flow, p.generation, p.batch + 1)
        number = max(taken, default=0) + 1
        if self.without("no_attempt_number"):
            number = 1
            old = self.find(w, "prepared", p.flow, p.generation, p.batch + 1, 1)
            w = w if old is None else replace(w, records=w.records - {old})
        record = Record(
            "prepared", p.flow, p.generation, p.batch + 1, number, intent.start, intent.end,
            p.epoch, tuple(tuple(side) for side in sides), p.file, p.swap,
        )  # fmt: skip
        yield "prepared.linked", self.put(w, record), replace(p, at="prepared.synced", held=record)

    def prepared_synced(self, w: World, p: Process) -> Steps:
        at = "refresh.staged_flow" if p.swap else "commit.snapshot"
        yield "prepared.synced", self.synced(w, "records"), replace(p, at=at)

    def refresh_staged_flow(self, w: World, p: Process) -> Steps:
        if not self.without("no_finder_sync"):
            w = self.synced(w, "records")
        at = "commit.snapshot"
        if self.without("companions_swapped_first"):
            for _, world, _ in self.follow(w, replace(p, batch=1), None, ahead=True):
                w = self.synced(world, COMPANION)
        yield "refresh.staged_flow", w, replace(p, at=at)

    def commit_snapshot(self, w: World, p: Process) -> Steps:
        if self.without("companions_first") and not p.swap:
            for _, world, _ in self.follow(w, replace(p, batch=p.batch + 1), None, ahead=True):
                w = self.synced(world, COMPANION)
        yield "commit.snapshot", w, replace(p, at="commit.linked", base=len(w.logs[MAIN]))

    def commit_linked(self, w: World, p: Process) -> Steps:
        for label, world, after in self.commit(w, p, "commit.synced"):
            if label != "conflict":
                yield label, world, after
            elif self.bounds.strict:
                yield "commit.conflict", world, replace(p, at="stage.written", held=None)
            else:
                yield "commit.conflict", world, replace(p, at="commit.snapshot")

    def commit(self, w: World, p: Process, then: str) -> Steps:
        """Main's commit, the decision; what it compares is of the version that it builds on."""
        held, main = p.held, snapshot(w.logs[MAIN])
        assert held is not None
        after = replace(p, at=then)
        later = main.generation > held.generation
        same = main.generation == held.generation
        if same and main.of(p.flow)[0] >= held.batch and not self.without("no_txn_check"):
            yield "commit.decided", self.synced(w, MAIN), after
        elif self.overtaken(w, p, MAIN) or later or (not same and not held.swap):
            yield "stopped", w, None
        elif then == "commit.synced" and p.base != len(w.logs[MAIN]):
            yield "conflict", w, p
        else:
            yield "commit.linked", self.decide(w, p, held), after

    def decide(self, w: World, p: Process, held: Record) -> World:
        by = max((definition for part in held.parts for _, definition in part), default=w.ran)
        if by < w.ran:
            raise Violation("a batch by an older definition than one that has come to its end")
        return self.append(w, MAIN, Commit(
            p.flow, held.generation, held.batch, held.number,
            p.epoch if self.bounds.expiring else 0, held.parts[MAIN], held.file, held.swap,
        ))  # fmt: skip

    def commit_synced(self, w: World, p: Process) -> Steps:
        at = "refresh.swapped_main" if p.swap else "commit.between_main_and_companion"
        yield "commit.synced", self.synced(w, MAIN), replace(p, at=at)

    def commit_between_main_and_companion(self, w: World, p: Process) -> Steps:
        main = snapshot(w.logs[MAIN])
        batch, attempt = main.of(p.flow)
        if self.without("record_in_hand"):
            assert p.held is not None
            batch, attempt = p.held.batch, p.held.number
        after = replace(
            p, at="companion.linked", generation=main.generation, batch=batch, attempt=attempt
        )
        label = "refresh.swapped_main" if p.swap else "commit.between_main_and_companion"
        yield label, w, after

    refresh_swapped_main = commit_between_main_and_companion

    def companion_linked(self, w: World, p: Process) -> Steps:
        yield from self.follow(w, p, replace(p, at="companion.committed"))

    def companion_committed(self, w: World, p: Process) -> Steps:
        label = "refresh.swapped_companion" if p.swap else "companion.committed"
        yield label, self.synced(w, COMPANION), replace(p, at="records.deleted", swap=False)

    def records_deleted(self, w: World, p: Process) -> Steps:
        def needed(r: Record) -> bool:
            if r.flow != p.flow or (r.generation, r.batch) > (p.generation, p.batch):
                return True
            named = (r.generation, r.batch, r.number) == (p.generation, p.batch, p.attempt)
            return r.kind == "prepared" and named

        w = replace(w, records=frozenset(r for r in w.records if needed(r)))
        yield "records.deleted", w, replace(p, at="position")

    def follow(self, w: World, p: Process, after: Process | None, ahead: bool = False) -> Steps:
        """The companion's commit, from the record that main names."""
        record = p.held if ahead else self.named(w, p)
        if record is None:
            raise Violation("the record that a companion has to follow is missing")
        companion = snapshot(w.logs[COMPANION])
        if self.without("later_generation") and record.generation > companion.generation + 1:
            yield "companion.followed", w, after
            return
        done = companion.of(p.flow)[0] >= record.batch and not self.without("no_txn_check")
        if companion.generation > record.generation or (
            companion.generation == record.generation and done
        ):
            yield "companion.followed", w, after
        elif self.overtaken(w, p, COMPANION):
            yield "stopped", w, None
        else:
            yield "companion.linked", self.append(w, COMPANION, Commit(
                p.flow, record.generation, record.batch, record.number,
                p.epoch if self.bounds.expiring else 0, record.parts[COMPANION], record.file,
                record.swap or companion.generation < record.generation,
            )), after  # fmt: skip

    # Small things.

    def overtaken(self, w: World, p: Process, table: int) -> bool:
        return snapshot(w.logs[table]).epoch > p.epoch and not self.without("no_epoch")

    def append(self, w: World, table: int, commit: Commit) -> World:
        logs = list(w.logs)
        logs[table] = (*logs[table], commit)
        return replace(w, logs=tuple(logs))

    def put(self, w: World, record: Record) -> World:
        return replace(w, records=w.records | {record}, unsynced=w.unsynced | {record})

    def find(self, w: World, kind: str, *key: int) -> Record | None:
        return next(
            (
                r
                for r in w.records
                if r.kind == kind and (r.flow, r.generation, r.batch, r.number) == key
            ),
            None,
        )

    def attempts(self, w: World, *key: int) -> list[int]:
        return [
            r.number
            for r in w.records
            if r.kind == "prepared" and (r.flow, r.generation, r.batch) == key
        ]

    def named(self, w: World, p: Process) -> Record | None:
        return self.find(w, "prepared", p.flow, p.generation, p.batch, p.attempt)

    # What is promised.

    def check(self, w: World) -> None:
        """No row doubled, no batch by two definitions, no companion ahead, nothing unreadable."""
        main, companion = (snapshot(log) for log in w.logs)
        ahead = any(
            (companion.generation, companion.of(f)[0]) > (main.generation, main.of(f)[0])
            for f in range(self.bounds.flows)
        )
        if ahead:
            raise Violation("a companion is ahead of main")
        if any(c.file in w.vanished for log in w.logs for c in log):
            raise Violation("a commit names a file that is gone")
        rows = main.rows
        if companion.generation == main.generation:
            rows = main.rows + companion.rows
        doubled = Counter((flow, row) for flow, _, row, _ in rows)
        if any(count > 1 for count in doubled.values()):
            raise Violation("a row is doubled")
        for flow in range(self.bounds.flows):
            judged = sorted({(batch, by) for f, batch, _, by in rows if f == flow})
            if [by for _, by in judged] != sorted(by for _, by in judged):
                raise Violation("a batch by an older definition than the one before")
            if len({batch for batch, _ in judged}) != len(judged):
                raise Violation("a batch by two definitions")
        if (problem := self.finish(w)) is not None:
            raise Violation(problem)

    def finish(self, w: World) -> str | None:
        """Whether the next run, alone and without faults, takes every row once."""
        w = replace(w, processes=(), holder=-1, kills=0, losses=0, compactions=0, started=-1)
        if w not in self.finished:
            self.finished[w] = self.run_alone(w)
        return self.finished[w]

    def run_alone(self, w: World) -> str | None:
        arrived, w = w.arrived, self.start(w, -1)
        for _ in range(400):
            if not w.processes:
                break
            process = w.processes[0]
            try:
                label, world, after = next(iter(self.step(w, process)))
            except Violation as error:
                return f"the next run does not finish: {error}"
            if label == "stopped":
                return "the next run is refused"
            kept = world.processes[1:]
            w = replace(world, processes=kept if after is None else (after, *kept))
        else:
            return "the next run does not end"
        found = Counter((flow, row) for log in w.logs for flow, _, row, _ in snapshot(log).rows)
        wanted = Counter((f, row) for f in range(self.bounds.flows) for row in range(arrived))
        if found - wanted:
            return "after the next run a row is doubled"
        if wanted - found:
            return "after the next run a row is lost"
        if snapshot(w.logs[MAIN]).generation < w.requested:
            return "after the next run a refresh is forgotten"
        if any(c.file in w.vanished for log in w.logs for c in log):
            return "after the next run a commit names a file that is gone"
        return None
