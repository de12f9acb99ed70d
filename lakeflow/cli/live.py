"""The live table of flows on a terminal; the one module that loads rich."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from types import TracebackType
from typing import Literal, Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from lakeflow.cli.lines import is_problem, problem, result_lines
from lakeflow.cli.progress import FINISHED_STATES, FlowProgress, UpdateProgress
from lakeflow.cli.report import STOPPING
from lakeflow.cli.session import UpdateResult
from lakeflow.cli.text import count, duration, rate
from lakeflow.core.events import Event
from lakeflow.core.values import printable

STYLES = {
    "RUNNING": "cyan",
    "STARTING": "cyan",
    "PLANNING": "cyan",
    "COMPLETED": "green",
    "FAILED": "bold red",
    "SKIPPED": "yellow",
    "STOPPED": "yellow",
}
"""How states are coloured; others are dim."""

LINES_AROUND = 5
"""Lines of the screen that are not flows: head, rule, fold, foot and prompt."""

BRIEF_BELOW = 80
"""Columns of a screen below which rate and time are left out."""

GAP = 2
"""Columns between two columns of the table."""


class LiveReport:
    """Draws the table anew while the update goes on; warnings and errors scroll above it."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(highlight=False, soft_wrap=False)
        self.progress = UpdateProgress()
        self._ended = False
        self._stopping = False
        self._live = Live(
            get_renderable=self._draw,
            console=self.console,
            refresh_per_second=8,
            vertical_overflow="crop",
        )

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ended = True
        self._live.vertical_overflow = "visible"
        self._live.stop()

    def event(self, event: Event) -> None:
        """Takes in what happened."""
        self.progress.apply(event)
        if is_problem(event) and event.event_type != "update_progress":
            style = "yellow" if event.level == "WARN" else "bold red"
            word = "warning" if event.level == "WARN" else "error"
            self.console.print(Text.assemble((f"{word} ", style), problem(event)))

    def stopping(self) -> None:
        """Says below the table that the update is ending."""
        self._stopping = True

    def result(self, result: UpdateResult, seconds: float) -> None:
        """Prints how the update ended, below the table."""
        self.__exit__(None, None, None)
        style = "green" if result.state == "COMPLETED" else "bold red"
        for line in result_lines(result, seconds):
            self.console.print(Text(line, style=style))

    def _draw(self) -> RenderableType:
        flows = self.progress.flows()
        room = len(flows) if self._ended else max(1, self.console.height - LINES_AROUND)
        now = datetime.now(UTC)
        drawn = table(flows, now, room, self.console.width)
        return Group(drawn, *([] if self._ended else [self._foot(now)]))

    def _foot(self, now: datetime) -> Text:
        started = self.progress.started
        spent = "" if started is None else f", {duration((now - started).total_seconds())}"
        if self._stopping:
            return Text(STOPPING, style="bold yellow")
        return Text(f"{self.progress.state}{spent}", style="dim")


def table(flows: Sequence[FlowProgress], now: datetime, room: int, width: int) -> RenderableType:
    """The table of flows.

    Args:
        flows: All of them.
        now: What time it is, for the rate of those at work.
        room: Rows that fit; if there are more flows, finished ones and then those that wait
            are folded into one line.
        width: Columns of the screen. Names and expectations are cut to fit; a narrow screen
            shows neither rate nor time.
    """
    shown = fold(flows, room)
    names = [Text(printable(flow.name)) for flow in shown]
    rules = [expectations(flow) for flow in shown]
    columns: list[tuple[str, list[Text]]] = [
        ("State", [Text(flow.state, style=STYLES.get(flow.state, "dim")) for flow in shown]),
        ("Rows", [Text(f"{flow.rows:,}") for flow in shown]),
    ]
    if width >= BRIEF_BELOW:
        spent = [flow.seconds(now) for flow in shown]
        columns += [
            ("Rate", [Text(rate(f.rows, s)) for f, s in zip(shown, spent, strict=True)]),
            (
                "Time",
                [Text(duration(s) if f.started else "") for f, s in zip(shown, spent, strict=True)],
            ),
        ]
    taken = sum(_width(head, cells) + GAP for head, cells in columns) + GAP
    name_width = min(_width("Flow", names), max(12, (width - taken) // 2))
    rules_width = max(12, width - taken - name_width)
    drawn = Table(box=None, pad_edge=False, header_style="bold")
    drawn.add_column("Flow", no_wrap=True, overflow="ellipsis", width=name_width)
    for head, cells in columns:
        justify: Literal["left", "right"] = "left" if head == "State" else "right"
        drawn.add_column(head, no_wrap=True, justify=justify, width=_width(head, cells))
    drawn.add_column("Expectations", no_wrap=True, overflow="ellipsis", width=rules_width)
    for row in zip(names, *(cells for _, cells in columns), rules, strict=True):
        drawn.add_row(*row)
    folded = len(flows) - len(shown)
    if not folded:
        return drawn
    done = sum(flow.state in FINISHED_STATES for flow in flows)
    return Group(drawn, Text(f"… {count(folded, 'more flow')}; {done:,} finished", style="dim"))


def _width(head: str, cells: Sequence[Text]) -> int:
    return max(len(head), *(cell.cell_len for cell in cells), 0)


def fold(flows: Sequence[FlowProgress], room: int) -> list[FlowProgress]:
    """The flows that fit, in their order: those at work or in trouble before the others."""
    if len(flows) <= room:
        return list(flows)

    def rank(index: int) -> int:
        state = flows[index].state
        return 2 if state in FINISHED_STATES else 1 if state == "QUEUED" else 0

    chosen = sorted(range(len(flows)), key=rank)[:room]
    return [flows[index] for index in sorted(chosen)]


def expectations(flow: FlowProgress) -> Text:
    """How the rules of a flow were met: those that failed, by name."""
    failed = [counts for counts in flow.expectations.values() if counts.failed]
    parts = [
        Text(f"{printable(each.name)} failed {each.failed:,} of {each.passed + each.failed:,}")
        for each in failed
    ]
    for part in parts:
        part.stylize("yellow")
    if held := len(flow.expectations) - len(failed):
        parts.append(Text(f"{held} held", style="green"))
    for number, fate in ((flow.dropped, "dropped"), (flow.quarantined, "quarantined")):
        if number:
            parts.append(Text(f"{number:,} {fate}", style="yellow"))
    return Text(", ").join(parts)
