"""Measures Lakeflow beside a script written by hand and other schedulers; see README.md here."""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import median

from benchmarks.jobs import ours, peers
from benchmarks.processes import CommandFailed, Cost, measure

HERE = Path(__file__).parent
TABLES = ("orders", "lineitem")
TARGETS = {
    "full": "at most 1.10 x",
    "one percent more": "at most 1.15 x",
    "nothing new": "at most 0.6 s",
    "trivial": "at most 1.0 s",
    "help": "at most 0.25 s",
}
LAKEFLOW = [sys.executable, "-m", "lakeflow"]


def generate(folder: Path, scale: float) -> Path:
    """TPC-H's orders and lineitem as CSV, made once per scale."""
    place = folder / f"tpch-{scale:g}"
    if place.exists():
        return place
    making = folder / f"making-{scale:g}"
    shutil.rmtree(making, ignore_errors=True)
    tool = Path(sys.executable).with_name("tpchgen-cli")
    subprocess.run(
        [tool, "csv", "-s", f"{scale:g}", "-q", "-T", ",".join(TABLES), "-o", making], check=True
    )
    for table in TABLES:
        (making / table).mkdir()
        (making / f"{table}.csv").rename(making / table / f"{table}.csv")
    making.rename(place)
    return place


class Side:
    """One of the two that are compared, in a folder of its own."""

    def __init__(self, name: str, folder: Path, memory_limit: str | None) -> None:
        self.name = name
        self.folder = folder / name
        self.environment: Mapping[str, str] = {}
        shutil.rmtree(self.folder, ignore_errors=True)
        for table in TABLES:
            (self.folder / table).mkdir(parents=True)
        if name == "lakeflow":
            shutil.copy(HERE / "medallion.sql", self.folder)
            self.command = [*LAKEFLOW, "run", "medallion.sql"]
            self.lake = self.folder / "data" / "lakehouse" / "main" / "default"
            if memory_limit:
                self.environment = {"LAKEFLOW_MEMORY_LIMIT": memory_limit}
        else:
            self.command = [sys.executable, str(HERE / "handwritten.py"), "."]
            self.lake = self.folder / "lake"
            if memory_limit:
                self.environment = {"HANDWRITTEN_MEMORY_LIMIT": memory_limit}

    def deliver(self, data: Path) -> None:
        """Puts a delivery where new files are looked for."""
        for table in TABLES:
            target = self.folder / table / f"{data.name}.csv"
            target.symlink_to(data / table / f"{table}.csv")

    def run(self) -> Cost:
        """One update."""
        return measure(self.command, self.folder, self.environment)


def medallion(
    folder: Path, scale: float, runs: int, memory_limit: str | None, sides: tuple[str, ...]
) -> dict[str, dict[str, list[Cost]]]:
    """The medallion over all data, one percent more, and nothing new, in alternation."""
    data, more = generate(folder, scale), generate(folder, scale / 100)
    costs: dict[str, dict[str, list[Cost]]] = {}
    for number in range(runs):
        made = [Side(name, folder, memory_limit) for name in sides]
        if number % 2:
            made.reverse()
        for case, delivery in (("full", data), ("one percent more", more), ("nothing new", None)):
            for side in made:
                if delivery is not None:
                    side.deliver(delivery)
                cost = side.run()
                costs.setdefault(case, {}).setdefault(side.name, []).append(cost)
                print(f"  {case}, {side.name}: {told(cost)}", file=sys.stderr)
            if case == "one percent more" and len(made) == 2:
                # In a process of its own: what this one holds would count as its children's peak.
                lakes = [str(side.lake) for side in made]
                measure([sys.executable, str(HERE / "compare.py"), *lakes], folder)
        for side in made:
            shutil.rmtree(side.folder)
    return costs


def trivial(folder: Path, runs: int) -> list[Cost]:
    """Three tables over a hundred rows, from nothing."""
    costs = []
    for _ in range(runs):
        place = folder / "trivial"
        shutil.rmtree(place, ignore_errors=True)
        (place / "items").mkdir(parents=True)
        rows = "".join(f"{n},{n - 3}.50,kind{n % 4}\n" for n in range(100))
        (place / "items" / "items.csv").write_text(f"id,price,kind\n{rows}")
        shutil.copy(HERE / "trivial.sql", place)
        costs.append(measure([*LAKEFLOW, "run", "trivial.sql"], place))
    return costs


def told(cost: Cost) -> str:
    return f"{cost.wall:7.2f} s, {cost.cpu:7.2f} s of CPU, {cost.peak:6.0f} MiB"


def middle(costs: list[Cost]) -> Cost:
    return Cost(*(median(getattr(c, name) for c in costs) for name in Cost.__slots__))


def ratio(ours: list[Cost], theirs: list[Cost], of: Callable[[Cost], float]) -> float:
    """The median of the ratios of runs that stood side by side."""
    return median(of(a) / of(b) for a, b in zip(ours, theirs, strict=True))


def report(costs: Mapping[str, Mapping[str, list[Cost]]]) -> None:
    """Prints the medians, and the ratios where there are two sides."""
    for case, sides in costs.items():
        print(f"{case} (wanted: {TARGETS[case]})")
        for name, found in sides.items():
            print(f"    {name:12} {told(middle(found))}   median of {len(found)}")
        if len(sides) == 2:
            ours, theirs = sides["lakeflow"], sides["handwritten"]
            print(
                f"    ratio        {ratio(ours, theirs, lambda c: c.wall):5.2f} x wall, "
                f"{ratio(ours, theirs, lambda c: c.cpu):5.2f} x CPU, "
                f"{ratio(ours, theirs, lambda c: c.peak):5.2f} x peak memory"
            )


def main() -> None:
    """Reads the arguments, measures and reports."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--scale", type=float, default=1, help="TPC-H's scale factor")
    parser.add_argument("--runs", type=int, default=3, help="pairs of runs")
    parser.add_argument("--memory-limit", help="for the query engine on both sides, such as 1GB")
    parser.add_argument("--only", choices=["medallion", "start", "jobs"], help="one part alone")
    parser.add_argument("--alone", action="store_true", help="leave the other sides out")
    parser.add_argument(
        "--folder",
        type=Path,
        default=Path(tempfile.gettempdir()) / "lakeflow-benchmarks",
        help="where data and tables are put",
    )
    given = parser.parse_args()
    folder = given.folder.absolute()
    folder.mkdir(parents=True, exist_ok=True)
    costs: dict[str, dict[str, list[Cost]]] = {}
    sides = ("lakeflow",) if given.alone else ("lakeflow", "handwritten")
    try:
        if given.only in (None, "medallion"):
            costs |= medallion(folder, given.scale, given.runs, given.memory_limit, sides)
        if given.only in (None, "start"):
            costs["trivial"] = {"lakeflow": trivial(folder, 2 * given.runs + 1)}
            helped = [measure([*LAKEFLOW, "--help"], folder) for _ in range(2 * given.runs + 1)]
            costs["help"] = {"lakeflow": helped}
    except CommandFailed as error:
        raise SystemExit(str(error)) from None
    report(costs)
    if given.only in (None, "jobs"):
        for figure in ours.Measuring(folder / "jobs", given.runs).all():
            print(figure)
        if not given.alone:
            peers.report(peers.measure(folder, given.runs))


if __name__ == "__main__":
    main()
