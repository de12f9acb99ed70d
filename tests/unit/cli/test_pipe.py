"""The command line in a pipe: plain lines, JSON lines and exit codes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("fake_command.py")


@pytest.fixture(autouse=True)
def pipeline(tmp_path: Path) -> Path:
    path = tmp_path / "pipeline.sql"
    path.write_text("CREATE MATERIALIZED VIEW silver AS SELECT 1")
    return path


def test_plain_lines_of_a_good_update(piped):
    done = piped("run", "pipeline.sql")
    assert done.returncode == 0
    lines = done.stdout.splitlines()
    assert lines[:-1] == [
        "12:00:00  Update is RUNNING.",
        "12:00:00  bronze                    STARTING",
        f"12:00:01  {'bronze':<24}  RUNNING    12,000 rows, 2 dropped, positive failed 2 of 12,000",
        "12:00:02  bronze                    RUNNING    345 rows, 1 quarantined",
        "12:00:02  bronze                    COMPLETED",
        "12:00:02  silver                    PLANNING",
        "12:00:03  silver                    COMPLETED  9 rows",
        "12:00:03  Update is COMPLETED.",
    ]
    assert lines[-1].startswith("Update COMPLETED in 0.")
    assert lines[-1].endswith(" s: 2 flows, 12,354 rows written, 2 dropped.")


@pytest.mark.parametrize(
    ("story", "code"), [("good", 0), ("failing", 1), ("wrong", 2), ("broken", 70)]
)
def test_a_program_ends_with_its_code_and_colours_no_pipe(program, story, code):
    done = program("run", "pipeline.sql", story=story)
    assert done.returncode == code
    assert "\x1b" not in done.stdout + done.stderr


def test_json_lines_of_a_program(program):
    lines = program("run", "pipeline.sql", "--json", story="printing").stdout.splitlines()
    assert json.loads(lines[-1])["state"] == "COMPLETED"


def test_json_lines_end_with_the_result(piped):
    done = piped("run", "pipeline.sql", "--json")
    assert done.returncode == 0
    objects = [json.loads(line) for line in done.stdout.splitlines()]
    assert [each["event_type"] for each in objects[:2]] == ["update_progress", "flow_progress"]
    assert len(objects) == 11
    result = objects[-1]
    assert result.pop("seconds") >= 0
    assert result == {
        "update_id": "u-1",
        "state": "COMPLETED",
        "flows": [
            {
                "name": "bronze",
                "state": "COMPLETED",
                "rows": 12345,
                "dropped": 2,
                "quarantined": 0,
                "expectations": [
                    {"name": "positive", "passed_records": 12343, "failed_records": 2}
                ],
                "seconds": 2,
                "error": None,
            },
            {
                "name": "silver",
                "state": "COMPLETED",
                "rows": 9,
                "dropped": 0,
                "quarantined": 0,
                "expectations": [],
                "seconds": 0.5,
                "error": None,
            },
        ],
    }


def test_what_user_code_prints_does_not_get_between_json_lines(piped):
    done = piped("run", "pipeline.sql", "--json", story="printing")
    assert [json.loads(line) for line in done.stdout.splitlines()]
    assert "user code prints" in done.stderr


def test_a_failed_update_says_where_and_ends_with_1(piped):
    done = piped("run", "pipeline.sql", story="failing")
    assert done.returncode == 1
    assert (
        "bronze                    FAILED     ERROR pipeline.sql:3: Flow 'bronze' has FAILED. "
        "2 rows violate positive. Mend the rows."
    ) in done.stdout
    assert f"12:00:01  {'silver':<24}  SKIPPED" in done.stdout.splitlines()
    assert done.stdout.splitlines()[-2:] == ["  bronze FAILED", "  silver SKIPPED"]


def test_wrong_definitions_end_with_2_and_come_all_at_once(piped):
    done = piped("run", "pipeline.sql", story="wrong")
    assert done.returncode == 2
    assert done.stderr.splitlines()[-3:] == [
        "a.sql:7: [PARSE_SYNTAX_ERROR] a is wrong.",
        "  Write it right.",
        "b.sql:2: b is wrong.",
    ]
    assert "Traceback" not in done.stderr


def test_an_error_that_ends_the_update_is_told_once(piped):
    done = piped("run", "pipeline.sql", story="unloadable")
    assert done.returncode == 2
    assert (done.stdout + done.stderr).count("a is wrong.") == 1
    assert "12:00:00  Update is FAILED." in done.stdout


def test_a_stop_before_anything_has_begun(piped):
    done = piped("run", "pipeline.sql", story="early")
    assert done.returncode == 130
    assert done.stderr.splitlines()[-1] == "Stopped before any flow had begun."


def test_wrong_definitions_as_json(piped):
    done = piped("run", "pipeline.sql", "--json", story="wrong")
    errors = json.loads(done.stdout.splitlines()[-1])["errors"]
    assert [each["location"] for each in errors] == ["a.sql:7", "b.sql:2"]
    assert errors[0]["condition"] == "PARSE_SYNTAX_ERROR"
    assert errors[0]["hint"] == "Write it right."


def test_debug_adds_the_traceback(piped):
    done = piped("--debug", "run", "pipeline.sql", story="wrong")
    assert done.returncode == 2
    assert "Traceback" in done.stderr


def test_an_unexpected_error_asks_for_a_report(piped):
    done = piped("run", "pipeline.sql", story="broken")
    assert done.returncode == 70
    assert "RuntimeError: the engine came apart" in done.stderr
    assert "report it as an issue" in done.stderr
    assert "Traceback" not in done.stderr
    assert "Traceback" in piped("run", "--debug", "pipeline.sql", story="broken").stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["rn"], "Did you mean 'run'?"),
        (["run", "nowhere.sql"], "nowhere.sql"),
        (["run", "--dry"], "--dry"),
        (["show"], "TABLE"),
        (["show", "t", "--limit", "-1"], "--limit"),
        (["query", "SELECT 1", "--memory-limit", "lots"], "'lots' is not a size"),
    ],
)
def test_wrong_usage_ends_with_2(piped, arguments, said):
    done = piped(*arguments)
    assert done.returncode == 2
    assert said in done.stderr
    assert done.stdout == ""


def test_an_unknown_setting_in_the_environment_is_refused(piped):
    done = piped("show", "t", LAKEFLOW_MEMORY_LIMT="1GB")
    assert done.returncode == 2
    assert "Did you mean 'LAKEFLOW_MEMORY_LIMIT'?" in done.stderr


def test_common_options_stand_before_or_after_the_command(piped):
    before = piped("--lakehouse", "lake", "detach", "old")
    after = piped("detach", "old", "--lakehouse", "lake")
    assert before.stderr == after.stderr == "lakehouse lake\n"
    assert before.stdout == "old is detached; its source no longer waits for it.\n"
    nearer = piped("--lakehouse", "far", "detach", "old", "--lakehouse", "near")
    assert nearer.stderr == "lakehouse near\n"


def test_the_project_file_of_a_folder_above_is_the_default(piped, tmp_path, pipeline):
    (tmp_path / "pipeline.yml").write_text("name: shop")
    done = piped("run")
    assert done.returncode == 0
    assert f"user code of {tmp_path / 'pipeline.yml'}" in done.stderr


def test_without_a_project_file_the_way_out_is_named(piped):
    done = piped("run")
    assert done.returncode == 2
    assert "[PIPELINE_SPEC_FILE_NOT_FOUND]" in done.stderr
    assert "lakeflow run PATH" in done.stderr


def test_two_project_files_are_refused(piped, tmp_path):
    (tmp_path / "pipeline.yml").write_text("name: shop")
    (tmp_path / "spark-pipeline.yaml").write_text("name: shop")
    done = piped("run")
    assert done.returncode == 2
    assert "[MULTIPLE_PIPELINE_SPEC_FILES_FOUND]" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "refreshed"),
    [
        ([], "[]"),
        (["--full-refresh"], "'all'"),
        (["--full-refresh", "a,b", "--full-refresh", "c"], "['a', 'b', 'c']"),
        (["--full-refresh=a"], "['a']"),
    ],
)
def test_full_refresh(piped, arguments, refreshed):
    done = piped("run", "pipeline.sql", *arguments)
    assert f"full refresh {refreshed}" in done.stderr
    plan = piped("run", "pipeline.sql", "--dry-run", *arguments)
    assert plan.stdout == f"silver: COMPLETE_RECOMPUTE, full refresh of {refreshed}\n"


def test_full_refresh_does_not_swallow_the_path(piped):
    done = piped("run", "--full-refresh", "pipeline.sql")
    assert done.returncode == 2
    assert "lakeflow run pipeline.sql --full-refresh" in done.stderr


@pytest.mark.parametrize(
    ("words", "kind", "said"),
    [
        (("run", "gone.sql"), "UsageError", "gone.sql"),
        (("show",), "UsageError", "TABLE"),
        (("query", "SELECT 1", "--nope"), "UsageError", "--nope"),
        (("shw",), "UsageError", "show"),
        (("query", "doubles"), "UnsupportedError", "'a'"),
        (("events", "--memory-limit", "x"), "ConfigurationError", "not a size"),
        (("detach", "f", "--memory-limit", "x"), "ConfigurationError", "not a size"),
        (("run", "pipeline.sql", "--memory-limit", "x"), "ConfigurationError", "not a size"),
    ],
)
def test_whatever_goes_wrong_is_json_in_every_command(piped, words, kind, said):
    done = piped(*words, "--json")
    (error,) = json.loads(done.stdout)["errors"]
    assert set(error) == {"class", "condition", "message", "location", "hint"}
    assert error["class"] == kind
    assert said in error["message"]
    assert done.returncode == 2
    assert said in done.stderr


def test_a_fault_of_lakeflow_is_json(piped):
    done = piped("run", "pipeline.sql", "--json", story="broken")
    assert done.returncode == 70
    (error,) = json.loads(done.stdout.splitlines()[-1])["errors"]
    assert error["class"] not in ("", "LakeflowError")


def test_plan_as_json(piped):
    done = piped("run", "pipeline.sql", "--dry-run", "--json")
    (flow,) = json.loads(done.stdout)["flows"]
    assert flow["technique"] == "COMPLETE_RECOMPUTE"
    assert flow["location"] == "pipeline.sql:3"


def test_show(piped):
    done = piped("show", "orders")
    assert done.stdout.splitlines() == [
        "main.default.orders  streaming table, version 4, 12,345 rows",
        "  All orders.",
        "",
        "column  type             comment",
        "------  ---------------  -------",
        "id      BIGINT NOT NULL",
        "note    STRING",
        "price   DECIMAL(10,2)",
        "",
        "id  note         price",
        "--  -----------  -----",
        r" 1  first\nline   1.10",
        "20  NULL          NULL",
        "… 12,343 more rows",
        "",
        "expectation  passed  failed",
        "-----------  ------  ------",
        "positive      11998       2",
    ]


def test_show_as_json(piped):
    table = json.loads(piped("show", "orders", "--json", "--limit", "1").stdout)
    assert table["row_count"] == 12345
    assert table["rows"] == [{"id": 1, "note": "first\nline", "price": "1.10"}]
    assert table["schema"][0] == {
        "name": "id",
        "type": "BIGINT",
        "nullable": False,
        "comment": None,
    }


def test_a_missing_table_ends_with_1(piped):
    done = piped("show", "missing")
    assert done.returncode == 1
    assert done.stderr == "[TABLE_OR_VIEW_NOT_FOUND] There is no table 'missing'.\n"


def test_query(piped):
    done = piped("query", "SELECT 1", "--memory-limit", "2GB")
    assert done.stdout.splitlines() == [
        "sql           memory  at",
        "--------  ----------  -------------------",
        "SELECT 1  2000000000  2026-01-01 12:00:00",
    ]
    assert done.stderr == ""


def test_query_as_json_and_from_the_standard_input(piped):
    done = piped("query", "-", "--json", stdin="SELECT 2")
    assert json.loads(done.stdout)["sql"] == "SELECT 2"


@pytest.mark.parametrize("text", ["-- why\nSELECT 1", "--why = this\nSELECT 1", "-- a = b"])
def test_a_query_may_begin_with_a_comment(piped, text):
    for words in (("query", text, "--json"), ("query", "--json", text), ("--json", "query", text)):
        assert json.loads(piped(*words).stdout)["sql"] == text
    assert json.loads(piped("query", "-", "--json", stdin=text).stdout)["sql"] == text


def test_an_option_that_there_is_not_is_no_comment(piped):
    done = piped("query", "--jsn", "SELECT 1")
    assert (done.returncode, done.stdout) == (2, "")
    assert "--jsn" in done.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_long_query_ends_at_the_first_signal(tmp_path, number):
    command = [sys.executable, str(SCRIPT), "query", "endless", "--json"]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True) as process:
        assert json.loads(process.stdout.readline())["sql"] == "endless"
        process.send_signal(number)
        try:
            assert process.wait(timeout=20) == 130
        finally:
            process.kill()


def test_a_query_without_rows_prints_its_columns(piped):
    assert piped("query", "empty").stdout == "a\n-\n"
    assert piped("query", "empty", "--json").stdout == ""


def test_json_refuses_two_columns_of_one_name(piped):
    assert piped("query", "doubles").stdout.splitlines()[-1] == "1  2"
    done = piped("query", "doubles", "--json")
    assert done.returncode == 2
    assert "'a'" in done.stderr


def test_events(piped):
    lines = piped("events", "--update", "u-2").stdout.splitlines()
    assert lines[0] == "2026-01-01 12:00:00  Update is RUNNING."
    assert len(lines) == 5
    objects = [json.loads(line) for line in piped("events", "--json").stdout.splitlines()]
    assert objects[-1]["details"] == {"state": "COMPLETED"}


def test_version_and_module():
    done = subprocess.run(
        [sys.executable, "-m", "lakeflow", "--version"], capture_output=True, text=True, check=True
    )
    from lakeflow import __version__

    assert done.stdout == f"lakeflow {__version__}\n"


def test_an_update_ends_well_though_nobody_reads_any_more(tmp_path):
    reader, writer = os.pipe()
    os.close(reader)
    with subprocess.Popen(
        [sys.executable, str(SCRIPT), "run", "pipeline.sql"],
        cwd=tmp_path,
        stdout=writer,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        os.close(writer)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    assert "BrokenPipe" not in errors


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_cleanly_and_says_where_it_stands(tmp_path, number):
    with subprocess.Popen(
        [sys.executable, str(SCRIPT), "run", "pipeline.sql"],
        cwd=tmp_path,
        env={**os.environ, "FAKE_STORY": "endless"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        while "silver" not in process.stdout.readline():
            pass
        process.send_signal(number)
        output, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Stopping cleanly" in errors
    assert errors.splitlines()[-3:] == [
        "Stopped. What was committed stays; the next run goes on from there.",
        "  finished: bronze",
        "  not finished: silver",
    ]
    assert "Update CANCELED" in output
