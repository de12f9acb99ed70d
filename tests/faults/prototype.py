"""The batch protocol over plain files, small enough to be read whole, and a stress of it.

One file source with a ledger, one table with a quarantine, a lease of either kind with epochs, an
upkeep that compacts beside it. `python prototype.py SEED KILLS lock|expiring [MUTATION]` prints one
line of JSON. With `expiring` nothing but the epochs keeps two updates apart, and updates that were
stopped wake up later.
"""

from __future__ import annotations

import fcntl
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
import traceback
import uuid
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

FLOW, ATTEMPT, EPOCH = "flow/0", "flow/0/attempt", "epoch"


class LeaseLost(Exception):
    """A higher epoch was found."""


@dataclass
class Store:
    """Files that appear whole or not at all; every step is counted and may be the last."""

    root: Path
    kill_at: int = 0
    signal: signal.Signals = signal.SIGKILL
    steps: int = 0

    def step(self) -> None:
        self.steps += 1
        if self.steps == self.kill_at:
            os.kill(os.getpid(), self.signal)

    def sync(self, folder: str) -> None:
        self.step()
        descriptor = os.open(self.root / folder, os.O_RDONLY)
        os.fsync(descriptor)
        os.close(descriptor)

    def put(self, path: str, value: Any) -> bool:
        """Creates a durable file; False if another was first."""
        target = self.root / path
        temporary = target.with_name(f".{uuid.uuid4().hex}")
        data = json.dumps(value)
        with temporary.open("w") as file:
            file.write(data[: len(data) // 2])
            file.flush()
            self.step()
            file.write(data[len(data) // 2 :])
            file.flush()
            os.fsync(file.fileno())
        self.step()
        try:
            os.link(temporary, target)
            created = True
        except FileExistsError:
            created = False
        self.step()
        temporary.unlink()
        self.sync(str(Path(path).parent))  # the loser acts on what it found: durable first
        return created

    def get(self, path: str) -> Any:
        return json.loads((self.root / path).read_text())

    def names(self, folder: str) -> list[str]:
        return sorted(p.name for p in (self.root / folder).iterdir() if p.name[0] != ".")


@dataclass
class Snapshot:
    """A table at a version."""

    version: int = -1
    files: list[str] = field(default_factory=list)
    txn: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.batch, self.attempt = self.txn.get(FLOW, 0), self.txn.get(ATTEMPT, 0)


def snapshot(store: Store, table: str) -> Snapshot:
    """The newest version, made durable before anybody acts on it."""
    store.sync(f"{table}/log")
    entries = [store.get(f"{table}/log/{name}") for name in store.names(f"{table}/log")]
    files, txn = [], {}
    for entry in entries:
        missing = set(entry["remove"]) - set(files)
        assert not missing, f"{table} removes {missing}, which it does not have"
        files = [name for name in files if name not in entry["remove"]] + entry["add"]
        txn.update(entry["txn"])
    return Snapshot(len(entries) - 1, files, txn)


def numbers(store: Store, kind: str, batch: int) -> list[int]:
    """The numbers of the records of a batch."""
    parts = [name.split(".") for name in store.names("records")]
    return sorted(int(p[2]) for p in parts if p[0] == kind and int(p[1]) == batch)


@dataclass
class Update:
    """One run of the pipeline, from lease to idle."""

    store: Store
    lease: str = "lock"
    mutation: str = ""
    epoch: int = 0

    def run(self) -> None:
        with (self.store.root / "lock").open("w") as lock:
            if self.lease == "lock":
                fcntl.flock(lock, fcntl.LOCK_EX)
            self.epoch = len(self.store.names("epochs")) + 1
            while not self.store.put(f"epochs/{self.epoch:08}.json", {}):
                self.epoch += 1
            try:
                self.work()
            except FileNotFoundError:  # a record that a newer holder has deleted
                for table in ("main", "quarantine"):
                    self.check_epoch(snapshot(self.store, table))
                raise

    def work(self) -> None:
        if self.mutation != "no_fence":
            self.fence()
        self.recover()
        definition = self.store.get("definition.json")  # user code, after recovery
        self.admit()
        while self.batch(definition):
            pass

    def fence(self) -> None:
        """With a lease that can only expire: whoever had it before can commit no more."""
        for table in ("main", "quarantine") if self.lease == "expiring" else ():
            while True:
                now = snapshot(self.store, table)
                self.check_epoch(now)
                entry = {"add": [], "remove": [], "txn": {EPOCH: self.epoch}}
                if self.store.put(f"{table}/log/{now.version + 1:08}.json", entry):
                    break

    def check_epoch(self, now: Snapshot) -> None:
        if now.txn.get(EPOCH, 0) > self.epoch and self.mutation != "no_epoch":
            raise LeaseLost

    def recover(self) -> None:
        self.store.sync("records")
        main = snapshot(self.store, "main")
        self.follow(main.batch, main.attempt)
        if self.lease == "expiring":
            return  # what is undecided may be a zombie's: it is prepared again
        if attempts := numbers(self.store, "prepared", main.batch + 1):
            self.decide(main.batch + 1, attempts[-1])

    def admit(self) -> None:
        """Puts what is new in the drop folder into the ledger."""
        while True:
            entries = self.store.names("ledger")
            self.store.sync("ledger")
            seen = {f for name in entries for f in self.store.get(f"ledger/{name}")}
            new = [name for name in self.store.names("drop") if name not in seen]
            won = not new or self.store.put(f"ledger/{len(entries):08}.json", new[:2])
            if won and len(new) <= 2:
                return

    def batch(self, definition: dict[str, Any]) -> bool:
        """Takes one batch to its end; False if there is nothing to do."""
        main = snapshot(self.store, "main")
        start, batch = self.position(main), main.batch + 1
        if not numbers(self.store, "intent", batch):
            end = min(start + 2, len(self.store.names("ledger")))
            if end == start:
                return False
            self.store.put(f"records/intent.{batch:08}.1.json", {"start": start, "end": end})
        intent = self.store.get(f"records/intent.{batch:08}.1.json")
        assert intent["start"] == start, (intent, start)
        decided = False
        while not decided:
            attempt = self.prepare(batch, intent, definition)
            decided = self.decide(batch, attempt)
        return True

    def position(self, main: Snapshot) -> int:
        """What the commit says: the end of the attempt that it names."""
        if not main.batch:
            return 0
        if self.mutation == "position_of_intent":
            names = [n for n in self.store.names("records") if n.startswith("intent.")]
            return self.store.get(f"records/{names[-1]}")["end"] if names else 0
        return self.store.get(f"records/prepared.{main.batch:08}.{main.attempt}.json")["end"]

    def prepare(self, batch: int, intent: dict[str, int], definition: dict[str, Any]) -> int:
        """Stages both targets and lists them under the next free attempt."""
        base = snapshot(self.store, "main").version
        rows = []
        for entry in self.store.names("ledger")[intent["start"] : intent["end"]]:
            for name in self.store.get(f"ledger/{entry}"):
                rows += self.store.get(f"drop/{name}")
        targets: dict[str, list[str]] = {"main": [], "quarantine": []}
        marked = [{**row, "by": definition["name"], "batch": batch} for row in rows]
        for table in targets:
            part = [r for r in marked if (r["v"] >= definition["at_least"]) == (table == "main")]
            if part:
                targets[table] = [f"{uuid.uuid4().hex}.json"]
                self.store.put(f"{table}/{targets[table][0]}", part)
        record = {"targets": targets, "end": intent["end"], "epoch": self.epoch, "base": base}
        attempt = max(numbers(self.store, "prepared", batch), default=0) + 1
        while not self.store.put(f"records/prepared.{batch:08}.{attempt}.json", record):
            attempt += 1
        return attempt

    def decide(self, batch: int, attempt: int) -> bool:
        """Commits main, then lets the companion follow; False after a conflict."""
        record = self.store.get(f"records/prepared.{batch:08}.{attempt}.json")
        if self.mutation == "companions_first":
            self.commit("quarantine", batch, attempt, record)
        if not self.commit("main", batch, attempt, record):
            return False
        main = snapshot(self.store, "main")
        named = attempt if self.mutation == "record_in_hand" else main.attempt
        self.follow(main.batch, named)
        return True

    def follow(self, batch: int, attempt: int) -> None:
        if not batch:
            return
        record = self.store.get(f"records/prepared.{batch:08}.{attempt}.json")
        if record["targets"]["quarantine"]:
            self.commit("quarantine", batch, attempt, record)
        for name in self.store.names("records"):  # the record that main names stays
            kind, number, which, _ = name.split(".")
            named = kind == "prepared" and int(number) == batch and int(which) == attempt
            if int(number) <= batch and not named:
                self.store.step()
                (self.store.root / "records" / name).unlink(missing_ok=True)

    def commit(self, table: str, batch: int, attempt: int, record: dict[str, Any]) -> bool:
        while True:
            now = snapshot(self.store, table)
            if now.batch >= batch and self.mutation != "no_txn_check":
                return True
            self.check_epoch(now)
            if table == "main" and now.version != record["base"]:
                return False  # strict, as for a replacement: so that attempts are exercised
            txn = {FLOW: batch, ATTEMPT: attempt, EPOCH: self.epoch}
            entry = {"add": record["targets"][table], "remove": [], "txn": txn}
            if self.store.put(f"{table}/log/{now.version + 1:08}.json", entry):
                return True


def compact(store: Store, table: str) -> None:
    """Upkeep, by anybody at any time: two files become one."""
    now = snapshot(store, table)
    if len(now.files) < 2:
        return
    name = f"{uuid.uuid4().hex}.json"
    store.put(f"{table}/{name}", [r for old in now.files[:2] for r in store.get(f"{table}/{old}")])
    entry = {"add": [name], "remove": now.files[:2], "txn": {}}
    store.put(f"{table}/log/{now.version + 1:08}.json", entry)


def oracle(root: Path, definitions: dict[str, int], complete: bool) -> None:
    """Every input row once in target or quarantine together, a batch by one definition."""
    store = Store(root)
    given = Counter(r["id"] for name in store.names("drop") for r in store.get(f"drop/{name}"))
    found: Counter[int] = Counter()
    by: dict[int, set[str]] = {}
    decided = snapshot(store, "main").batch
    for table in ("main", "quarantine"):
        for name in snapshot(store, table).files:
            for row in store.get(f"{table}/{name}"):
                found[row["id"]] += 1
                by.setdefault(row["batch"], set()).add(row["by"])
                assert (row["v"] >= definitions[row["by"]]) == (table == "main"), (table, row)
                assert row["batch"] <= decided, "a companion is ahead of main"
    assert not (doubled := found - given), f"doubled {dict(doubled)}"
    assert all(len(names) == 1 for names in by.values()), f"a batch by two definitions {by}"
    order = [list(definitions).index(*by[batch]) for batch in sorted(by)]
    assert order == sorted(order), f"a batch by a definition older than its predecessor's {by}"
    lost = given - found
    assert not (complete and lost), f"lost {dict(lost)}"


def child(function: Any) -> int:
    """Runs in a fork, which ends without a word unless something is wrong."""
    pid = os.fork()
    if pid:
        return pid
    code = 0
    signal.alarm(20)  # an update without end ends by a signal that nobody sent
    try:
        function()
    except LeaseLost:
        code = 3
    except BaseException:
        traceback.print_exc()
        code = 1
    os._exit(code)


def stress(seed: int, kills: int, lease: str = "lock", mutation: str = "") -> dict[str, Any]:
    """Kills updates of one lakehouse until there were `kills`, then lets one finish."""
    zombies: list[int] = []
    try:
        return _stress(seed, kills, lease, mutation, zombies)
    finally:
        for pid in zombies:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)


def _stress(seed: int, kills: int, lease: str, mutation: str, zombies: list[int]) -> dict[str, Any]:
    chance = random.Random(seed)
    root = Path(tempfile.mkdtemp(prefix="prototype-"))
    for name in ("drop", "ledger", "epochs", "records", "main/log", "quarantine/log"):
        (root / name).mkdir(parents=True)
    definitions: dict[str, int] = {}
    killed: Counter[str] = Counter()
    row = 0

    def wake(pid: int) -> None:
        os.kill(pid, signal.SIGCONT)
        status = os.waitpid(pid, 0)[1]
        assert status in (0, 3 << 8), (status, root)
        killed["woken, refused" if status else "woken, finished"] += 1

    while killed["timed"] + killed["counted"] < kills:
        for _ in range(chance.randrange(3)):
            rows = [{"id": row + k, "v": chance.randrange(10)} for k in range(3)]
            row += 3
            Store(root).put(f"drop/{uuid.uuid4().hex}.json", rows)
        if not definitions or chance.random() < 0.5:
            definition = {"name": f"d{len(definitions)}", "at_least": chance.randrange(10)}
            definitions[definition["name"]] = definition["at_least"]
            (root / ".definition").write_text(json.dumps(definition))
            (root / ".definition").replace(root / "definition.json")
        timed, processes = [], []
        for _ in range(chance.choice((1, 2))):
            how = chance.choice(("counted", "counted", "timed", "stopped"))
            store = Store(root, kill_at=chance.randrange(1, 70) if how != "timed" else 0)
            if how == "stopped" and lease == "expiring":
                store.signal = signal.SIGSTOP
            processes.append(child(Update(store, lease, mutation).run))
            if how == "timed":
                timed.append(processes[-1])
        if chance.random() < 0.4:
            store = Store(root, kill_at=chance.randrange(1, 20))
            table = chance.choice(("main", "quarantine"))
            processes.append(child(lambda store=store, table=table: compact(store, table)))
        for pid in timed:
            time.sleep(chance.random() * 0.015)
            os.kill(pid, signal.SIGKILL)
        for pid in processes:
            status = os.waitpid(pid, os.WUNTRACED)[1]
            if os.WIFSTOPPED(status):
                zombies.append(pid)
                continue
            killed["timed" if pid in timed else "counted"] += os.WIFSIGNALED(status)
            assert status in (0, 3 << 8, signal.SIGKILL), (status, root)
        while zombies and chance.random() < 0.5:
            wake(zombies.pop(chance.randrange(len(zombies))))
        oracle(root, definitions, complete=False)
    while zombies:
        wake(zombies.pop())
    assert os.waitpid(child(Update(Store(root), lease).run), 0)[1] == 0, f"no end, {root}"
    oracle(root, definitions, complete=True)
    versions = snapshot(Store(root), "main")
    retried = sum(
        entry["txn"].get(ATTEMPT, 0) > 1
        for entry in (Store(root).get(f"main/log/{n}") for n in Store(root).names("main/log"))
    )
    shutil.rmtree(root)
    return {
        "seed": seed, "killed": dict(killed), "rows": row, "batches": versions.batch,
        "retried": retried, "definitions": len(definitions),
    }  # fmt: skip


if __name__ == "__main__":
    print(json.dumps(stress(int(sys.argv[1]), int(sys.argv[2]), *sys.argv[3:])))
