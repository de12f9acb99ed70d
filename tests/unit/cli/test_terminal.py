"""The command line on a terminal: the live table, colours and Ctrl-C."""

from __future__ import annotations

import re
from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def pipeline(tmp_path: Path) -> Path:
    path = tmp_path / "pipeline.sql"
    path.write_text("CREATE MATERIALIZED VIEW silver AS SELECT 1")
    return path


def test_the_last_table_stays_on_the_screen(terminal):
    opened = terminal("run", "pipeline.sql", columns=120)
    code, screen = opened.end()
    assert code == 0
    lines = [line for line in screen.splitlines() if line]
    assert lines[1].split() == ["Flow", "State", "Rows", "Rate", "Time", "Expectations"]
    assert lines[2].split(maxsplit=6) == [
        *"bronze COMPLETED 12,345 6,172 rows/s 2.0".split(),
        "s  positive failed 2 of 12,345, 2 dropped, 1 quarantined",
    ]
    assert lines[3].split() == "silver COMPLETED 9 18 rows/s 0.50 s".split()
    assert lines[4].startswith("Update COMPLETED in 0.")
    assert len(lines) == 5
    assert "\x1b[32m" in opened.raw, "COMPLETED is green"
    assert opened.raw.rindex("\x1b[?25h") > opened.raw.rindex("\x1b[?25l"), "the cursor is back"


def test_no_color_is_respected(terminal):
    opened = terminal("run", "pipeline.sql", NO_COLOR="1")
    opened.end()
    assert "\x1b[32m" not in opened.raw
    assert "COMPLETED" in opened.raw


def test_a_dumb_terminal_gets_plain_lines(terminal):
    opened = terminal("run", "pipeline.sql", TERM="dumb")
    _, screen = opened.end()
    assert "12:00:03  Update is COMPLETED." in screen
    assert "\x1b" not in opened.raw


def test_json_on_a_terminal_is_json(terminal):
    opened = terminal("run", "pipeline.sql", "--json", columns=2000)
    opened.end()
    assert "\x1b" not in opened.raw


def test_errors_stand_above_the_table(terminal):
    code, screen = terminal("run", "pipeline.sql", story="failing").end()
    assert code == 1
    lines = [line for line in screen.splitlines() if line]
    error = lines.index("error pipeline.sql:3: Flow 'bronze' has FAILED. 2 rows violate positive.")
    assert lines[error + 1] == "  Mend the rows."
    assert lines[error + 2].startswith("Flow")
    assert "warning" not in screen, "that silver is skipped stands in the table"
    assert lines[-2:] == ["  bronze FAILED", "  silver SKIPPED"]


def test_an_error_that_ends_the_update_is_told_once(terminal):
    code, screen = terminal("run", "pipeline.sql", story="unloadable").end()
    assert code == 2
    assert screen.count("a is wrong.") == 1


def test_more_flows_than_lines_are_folded_and_all_are_there_at_the_end(terminal):
    opened = terminal("run", "pipeline.sql", story="many", lines=20)
    code, screen = opened.end()
    assert code == 0
    for number in range(60):
        assert screen.count(f"flow_{number:02} ") == 1


def test_the_live_table_fits_the_screen(terminal):
    opened = terminal("run", "pipeline.sql", story="crowd", lines=20)
    screen = opened.read_until("… 45 more flows; 58 finished")
    assert re.search("flow_59 +RUNNING", screen)
    assert re.search("flow_58 +QUEUED", screen)
    assert len([line for line in screen.splitlines() if line.startswith("flow_")]) == 15
    opened.press_ctrl_c()
    assert opened.end()[0] == 130


def test_ctrl_c_stops_cleanly_and_says_where_it_stands(terminal):
    opened = terminal("run", "pipeline.sql", story="endless")
    opened.read_until("silver")
    opened.press_ctrl_c()
    code, screen = opened.end()
    assert code == 130
    lines = [line for line in screen.splitlines() if line]
    assert lines[-3:] == [
        "Stopped. What was committed stays; the next run goes on from there.",
        "  finished: bronze",
        "  not finished: silver",
    ]
    assert screen.count("Expectations") == 1, "the table is there once"
    assert opened.raw.rindex("\x1b[?25h") > opened.raw.rindex("\x1b[?25l"), "the cursor is back"


@pytest.mark.parametrize("story", ["deaf", "stuck"])
def test_the_second_ctrl_c_ends_at_once(terminal, story):
    opened = terminal("run", "pipeline.sql", story=story)
    opened.read_until("silver")
    opened.press_ctrl_c()
    opened.read_until("Ctrl-C again ends at once.")
    opened.press_ctrl_c()
    code, _ = opened.end()
    assert code == 130
    assert opened.raw.rindex("\x1b[?25h") > opened.raw.rindex("\x1b[?25l"), "the cursor is back"


def test_a_narrow_terminal_keeps_names_and_states(terminal):
    _, screen = terminal("run", "pipeline.sql", columns=50).end()
    bronze = next(line for line in screen.splitlines() if line.startswith("bronze"))
    assert bronze == "bronze  COMPLETED  12,345  positive failed 2 of 1…"
    assert len(bronze) == 50
