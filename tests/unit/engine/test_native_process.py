"""The child process of query functions: its memory, its death, its output, its end."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest

from lakeflow.core.errors import DataError, Interrupted

BIG = """\
@dp.materialized_view
def wide(bronze: pl.LazyFrame):
    whole = pl.LazyFrame({"n": pl.Series([0], dtype=pl.Int64).extend_constant(0, 0)})
    return bronze.select(pl.int_ranges(0, SIZE).explode().alias("n")).sort("n", descending=True)
"""


def failure(pipeline, flow):
    result = pipeline.run()[flow]
    assert result.state == "FAILED"
    assert isinstance(result.error, DataError)
    return result.error


def test_memory_is_limited_and_the_error_says_how_to_go_on(python_pipeline):
    python_pipeline.settings["memory_limit"] = 256 << 20
    python_pipeline.drop("a", (1, 1))
    python_pipeline.write(BIG.replace("SIZE", "80_000_000"))
    error = failure(python_pipeline, "wide")
    assert error.condition == "OUT_OF_MEMORY"
    assert "256 MiB" in error.message
    assert "--memory-limit" in error.hint
    assert error.location.line == python_pipeline.line("@dp.materialized_view")

    python_pipeline.write(BIG.replace("SIZE", "1_000"))
    assert python_pipeline.run()["wide"].rows == 1000


def test_memory_that_python_asks_for_is_limited_too(python_pipeline):
    python_pipeline.settings["memory_limit"] = 256 << 20
    python_pipeline.drop("a", (1, 1))
    python_pipeline.write(
        "@dp.materialized_view\n"
        "def wide(bronze: pa.Table):\n"
        "    held = [bytearray(1 << 20) for _ in range(len(bronze) * 600)]\n"
        "    return bronze\n"
    )
    assert failure(python_pipeline, "wide").condition == "OUT_OF_MEMORY"


@pytest.mark.parametrize(
    ("death", "told"),
    [
        ("os.abort()", "SIGABRT"),
        ("os.kill(os.getpid(), 9)", "SIGKILL, as the system does when memory runs out"),
        ("os._exit(3)", "exit code 3"),
    ],
)
def test_the_death_of_the_child_fails_its_flow_and_no_other(python_pipeline, death, told):
    python_pipeline.drop("a", (1, 1))
    python_pipeline.write(
        "@dp.table\n"
        "def dying(bronze: pa.RecordBatchReader):\n"
        "    for batch in bronze:\n"
        f"        if len(batch): {death}\n"
        "        yield batch\n\n"
        "@dp.table\n"
        "def living(bronze: pl.LazyFrame):\n"
        "    return bronze\n"
    )
    results = python_pipeline.run()
    assert told in results["dying"].error.message
    assert "dying" in results["dying"].error.message
    assert results["living"].rows == 1
    python_pipeline.write(
        python_pipeline.file.read_text().split("\n\n", 2)[2].replace(death, "...")
    )
    assert python_pipeline.run()["dying"].rows == 1


def test_one_child_serves_all_flows_and_batches(python_pipeline, tmp_path):
    python_pipeline.drop("a", (1, 1))
    functions = "".join(
        f"@dp.table\ndef t{n}(bronze: pl.LazyFrame):\n"
        "    with open('pids', 'a') as file: print(os.getpid(), file=file)\n    return bronze\n"
        for n in range(3)
    ).replace("'pids'", repr(str(tmp_path / "pids")))
    python_pipeline.write(functions).run()
    pids = (tmp_path / "pids").read_text().split()
    assert len(pids) == 6, "three calls of the analysis and three with rows"
    assert len(set(pids) - {str(os.getpid())}) == 1


def test_without_new_rows_no_child_is_started(python_pipeline, tmp_path):
    python_pipeline.drop("a", (1, 1))
    python_pipeline.write(
        "@dp.table\ndef t(bronze: pl.LazyFrame):\n"
        f"    with open({str(tmp_path / 'pids')!r}, 'a') as file: print(os.getpid(), file=file)\n"
        "    return bronze\n"
    )
    python_pipeline.run()
    (tmp_path / "pids").unlink()
    python_pipeline.run()
    assert set((tmp_path / "pids").read_text().split()) == {str(os.getpid())}


def test_what_functions_print_goes_to_stderr(python_pipeline, capfd):
    python_pipeline.drop("a", (1, 1))
    python_pipeline.write(
        "print('loaded')\n"
        "@dp.table\ndef t(bronze: pl.LazyFrame):\n"
        "    print('called in', os.getpid())\n"
        "    os.write(2, b'to stderr\\n')\n"
        "    return bronze\n"
    ).run()
    said = capfd.readouterr()
    assert said.out == ""
    assert said.err.count("loaded\n") == 2, "once here, once in the child"
    pids = {line.split()[-1] for line in said.err.splitlines() if line.startswith("called")}
    assert len(pids) == 2


SLOW = """\
@dp.table
def slow(bronze: pa.RecordBatchReader):
    for batch in bronze:
        if len(batch):
            os.mkfifo("started", 0o600)
            open("waiting", "w").write(str(os.getpid()))
            os.close(os.open("started", os.O_RDONLY))  # until somebody opens it to write
        yield batch
"""


def waiting_pid(folder: Path) -> int:
    """The child, once it waits in the middle of a call; its pid is read from a pipe."""
    with (folder / "waiting").open() as pipe:
        return int(pipe.read())


@pytest.fixture
def slow_pipeline(python_pipeline, tmp_path):
    os.mkfifo(tmp_path / "waiting")
    body = SLOW.replace('"started"', repr(str(tmp_path / "started")))
    python_pipeline.write(body.replace('"waiting"', repr(str(tmp_path / "waiting"))))
    return python_pipeline.drop("a", (1, 1))


def gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().split()[2] == "Z"
    except OSError:
        return True


def test_stop_ends_the_child_in_the_middle_of_a_call(slow_pipeline, tmp_path):
    session = slow_pipeline.session()
    results = []

    def run():
        try:
            results.extend(session.run(slow_pipeline.file).flows)
        except Interrupted:
            results.append(None)

    thread = threading.Thread(target=run)
    thread.start()
    pid = waiting_pid(tmp_path)
    session.stop()
    thread.join()
    assert gone(pid)
    assert {flow.name: flow.state for flow in results}["slow"] == "STOPPED"
    (tmp_path / "started").unlink()
    slow_pipeline.write(
        slow_pipeline.file.read_text().split("\n\n", 2)[2].replace("if len", "if 0 and len")
    )
    assert slow_pipeline.run()["slow"].rows == 1


def test_a_signal_that_the_child_gets_too_is_the_parents_to_decide(slow_pipeline, tmp_path):
    results = []
    thread = threading.Thread(target=lambda: results.extend(slow_pipeline.run().values()))
    thread.start()
    pid = waiting_pid(tmp_path)
    assert os.getpgid(pid) != os.getpgid(0), "a terminal's Ctrl-C would reach it"
    os.kill(pid, signal.SIGTERM)
    os.kill(pid, signal.SIGINT)
    os.close(os.open(tmp_path / "started", os.O_WRONLY))
    thread.join()
    assert {flow.name: flow.state for flow in results}["slow"] == "COMPLETED"


FOREVER = "range(9999999) AS x(n), range(9999999) AS y(n)').materialize()"
STOPPED_IN_ANALYSIS = """\
@dp.materialized_view
def never(bronze):
    import stopper
    stopper.stop()
    return {}
"""


@pytest.mark.parametrize(
    "body", ["bronze", "bronze.query('b', 'SELECT sum(x.n * y.n) FROM " + FOREVER]
)
def test_stop_in_the_middle_of_analysis_is_no_error_of_the_definition(
    python_pipeline, monkeypatch, body
):
    python_pipeline.write(STOPPED_IN_ANALYSIS.format(body)).drop("a", (1, 1))
    session = python_pipeline.session()
    monkeypatch.setitem(sys.modules, "stopper", SimpleNamespace(stop=session.stop))
    with pytest.raises(Interrupted):
        session.run(python_pipeline.file)
    assert session.events()[-1].details["state"] == "CANCELED"
    python_pipeline.change("stopper.stop()", "pass")
    python_pipeline.change(body, "bronze")
    assert python_pipeline.run()["never"].rows == 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_the_child_ends_with_its_parent(slow_pipeline, tmp_path, number):
    command = [sys.executable, "-m", "lakeflow", "run", str(slow_pipeline.file)]
    environment = {**os.environ, "LAKEFLOW_LAKEHOUSE": str(tmp_path / "lakehouse")}
    parent = subprocess.Popen(
        command, env=environment, stderr=subprocess.PIPE, stdout=subprocess.PIPE
    )
    pid = waiting_pid(tmp_path)
    # A descriptor of the process tells its end without asking again and again.
    watched = os.pidfd_open(pid)
    parent.send_signal(number)
    parent.communicate(timeout=60)

    assert select.select([watched], [], [], 60)[0], "the child lives on"
    os.close(watched)
    assert parent.returncode == (130 if number == signal.SIGINT else -number)


def test_what_is_reserved_and_not_used_does_not_count(python_pipeline):
    """Allocators of libraries reserve more than a gigabyte of address space."""
    python_pipeline.settings["memory_limit"] = 1 << 30
    python_pipeline.drop("a", (1, 1))
    python_pipeline.write(
        "@dp.materialized_view\n"
        "def wide(bronze: pa.Table):\n"
        "    held = bytearray(len(bronze) * (600 << 20))\n"
        "    return bronze\n\n"
        "@dp.materialized_view\n"
        "def lazy(bronze: pl.LazyFrame):\n"
        "    return bronze\n"
    )
    results = python_pipeline.run()
    assert (results["wide"].rows, results["lazy"].rows) == (1, 1)


def test_several_errors_of_a_function_come_through(python_pipeline):
    python_pipeline.drop("a", (1, 1))
    python_pipeline.write(
        "@dp.materialized_view\ndef t(bronze: pa.Table):\n"
        "    if not len(bronze): return bronze\n"
        "    return bronze.append_column('n', pa.nulls(1)).append_column('m', pa.nulls(1))\n"
    )
    result = python_pipeline.run()["t"]
    assert result.state == "FAILED"
    assert [error.message.split(" is NULL")[0] for error in result.error.errors] == [
        "Column n of t",
        "Column m of t",
    ]


TOGETHER = """
import threading
MEETING = threading.Barrier(2)
INSIDE = []

def meet():
    if threading.current_thread().name.startswith("flow"):
        INSIDE.append(1)
        try:
            MEETING.wait(0.5)
        except threading.BrokenBarrierError:
            pass
        with open(PATH, "a") as file: print(len(INSIDE), file=file)
        INSIDE.pop()

@dp.materialized_view
def first(bronze: duckdb.DuckDBPyRelation):
    meet()
    return bronze

@dp.materialized_view
def second(bronze: duckdb.DuckDBPyRelation):
    meet()
    return bronze
"""


def test_functions_in_this_process_are_called_one_after_the_other(python_pipeline, tmp_path):
    python_pipeline.settings["max_concurrent_flows"] = 2
    counts = tmp_path / "counts"
    python_pipeline.drop("a", (1, 1)).write(TOGETHER.replace("PATH", repr(str(counts))))
    before, path = sys.stdout, sys.path.copy()
    python_pipeline.run()
    assert counts.read_text().split() == ["1", "1"]
    assert (sys.stdout, sys.path) == (before, path)


def test_what_a_function_leaves_running_holds_nobody_up(python_pipeline, tmp_path):
    os.mkfifo(tmp_path / "end")
    python_pipeline.drop("a", (1, 1)).write(
        "import subprocess\n"
        "@dp.table\ndef t(bronze: pl.LazyFrame):\n"
        f"    if bronze.collect().height: subprocess.Popen(['cat', {str(tmp_path / 'end')!r}])\n"
        "    return bronze\n"
    )
    assert python_pipeline.run()["t"].rows == 1
    (tmp_path / "end").write_text("")  # waits for the reader, which lives on
