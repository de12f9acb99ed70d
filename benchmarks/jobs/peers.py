"""The same jobs given to us and to other schedulers, in turn, each with its services up alone."""

from __future__ import annotations

import json
import os
import select
import shutil
import subprocess
import sys
import time
import venv
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import psutil

from benchmarks.jobs import ours

HERE = Path(__file__).parent
SHAPES = (("chain", 10), ("fan", 100))

PATIENCE = 600
"""Seconds after which a run is given up; a scheduler whose process died may never end one."""

Run = Callable[[str, int, str], None]
"""Has a job of a shape run at a place, and waits for its end."""


class Unavailable(Exception):
    """A scheduler cannot be installed or does not run here."""


@dataclass(frozen=True, slots=True)
class Peer:
    """Another scheduler.

    Args:
        name: As people know it.
        packages: What is installed.
        places: Where it can run tasks.
    """

    name: str
    packages: Sequence[str]
    places: Sequence[str]


PEERS = (
    Peer("Dagster", ["dagster", "dagster-webserver"], ["in process", "process per task"]),
    Peer("Prefect", ["prefect"], ["called", "served"]),
    Peer("Airflow", ["apache-airflow"], ["process per task"]),
)
OURS = Peer("Lakeflow", [], ["warm worker", "process per task"])

Times = dict[tuple[str, int], dict[str, list[float]]]
"""Seconds by shape, and then by scheduler and place."""


def install(peer: Peer, folder: Path) -> Path:
    """The Python of a peer's virtual environment, made if it is not there."""
    place = folder / "peers" / peer.name.lower()
    python = place / "bin" / "python"
    done = place / "installed"
    if not done.exists():
        print(f"Installing {peer.name} ...", file=sys.stderr)
        venv.create(place, with_pip=True, clear=True)
        found = subprocess.run(
            [python, "-m", "pip", "install", "--quiet", *peer.packages],
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
        if found.returncode:
            last = found.stderr.strip().splitlines()[-1]
            raise Unavailable(f"{peer.name} could not be installed: {last}")
        done.touch()
    return python


@contextmanager
def started(peer: Peer, folder: Path, versions: dict[str, str]) -> Iterator[Run]:
    """A peer with its services up."""
    python = install(peer, folder)
    home = folder / "jobs" / peer.name.lower()
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir(parents=True)
    inherited = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    with (home / "program.log").open("wb") as log:
        process = subprocess.Popen(
            [python, HERE / f"with_{peer.name.lower()}.py", home],
            cwd=home,
            env=inherited,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
        )
    assert process.stdin is not None
    assert process.stdout is not None
    inlet, outlet = process.stdin, process.stdout

    def answer() -> dict[str, Any]:
        if not select.select([outlet], [], [], PATIENCE)[0]:
            raise Unavailable(f"{peer.name} did not come to an end within {PATIENCE} seconds.")
        if not (line := outlet.readline()):
            last = (home / "program.log").read_text(errors="replace").strip().splitlines()
            raise Unavailable(f"{peer.name} does not run here: {last[-1] if last else 'no word'}")
        return json.loads(line)

    def run(shape: str, count: int, place: str) -> None:
        inlet.write(json.dumps({"shape": shape, "count": count, "place": place}).encode() + b"\n")
        inlet.flush()
        answer()

    known: list[psutil.Process] = []
    try:
        versions[peer.name] = answer()["version"]
        yield run
        known = psutil.Process(process.pid).children(recursive=True)
    except BaseException:
        # It may be waiting for a run that takes long.
        process.terminate()
        raise
    finally:
        inlet.close()
        process.wait()
        outlet.close()
        for each in known:
            if each.is_running():
                each.kill()
    shutil.rmtree(home)


@contextmanager
def started_ours(folder: Path) -> Iterator[Run]:
    """Our own server."""
    shapes = {"chain": ours.chain, "fan": ours.fan}
    with ours.server(folder / "jobs" / "beside") as asked:

        def run(shape: str, count: int, place: str) -> None:
            fresh = {} if place == "warm worker" else ours.FRESH
            asked.ask("run", settings=shapes[shape](ours.FUNCTION, count, **fresh))

        yield run


def measure(folder: Path, runs: int) -> tuple[Times, dict[str, str], list[str]]:
    """Every job with every scheduler, in rounds; who begins a round changes.

    Returns:
        The times, the versions, and who could not take part and why.
    """
    times: Times = {shape: {} for shape in SHAPES}
    versions: dict[str, str] = {}
    absent: dict[str, str] = {}
    for number in range(runs):
        sides = [OURS, *PEERS]
        for peer in sides if number % 2 == 0 else reversed(sides):
            if peer.name in absent:
                continue
            try:
                with (
                    started_ours(folder) if peer is OURS else started(peer, folder, versions)
                ) as run:
                    _round(peer, run, times)
            except Unavailable as error:
                absent[peer.name] = str(error)
                print(error, file=sys.stderr)
    return times, versions, list(absent.values())


def _round(peer: Peer, run: Run, times: Times) -> None:
    run(*SHAPES[0], peer.places[0])
    for place in peer.places:
        for shape in SHAPES:
            began = time.perf_counter()
            run(*shape, place)
            spent = time.perf_counter() - began
            times[shape].setdefault(f"{peer.name}, {place}", []).append(spent)
            print(
                f"  {shape[1]}-task {shape[0]}, {peer.name}, {place}: {spent:.2f} s",
                file=sys.stderr,
            )


def report(found: tuple[Times, Mapping[str, str], Sequence[str]]) -> None:
    """Prints medians, and their ratio to our own as it is by default."""
    times, versions, absent = found
    print(", ".join(f"{name} {version}" for name, version in versions.items()))
    for (shape, count), sides in times.items():
        print(f"{count} trivial tasks, {shape}, from the request to the end of the run")
        default = sides[f"{OURS.name}, {OURS.places[0]}"]
        for name, values in sides.items():
            ratio = median(a / b for a, b in zip(values, default, strict=False))
            print(f"    {name:28} {median(values):8.2f} s  {ratio:6.1f} x  median of {len(values)}")
    for each in absent:
        print(each)
