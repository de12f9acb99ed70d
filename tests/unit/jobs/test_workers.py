"""How attempts begin, run and end in processes of their own."""

from __future__ import annotations

import os
import signal

import psutil
import pytest

from lakeflow.jobs.model import Result
from lakeflow.jobs.workers.pool import Workers
from lakeflow.jobs.workers.tasks.context import Given
from tests.unit.jobs.server import DAEMON


def gone(*pids: int) -> bool:
    """Whether these processes end within a bounded wait."""
    processes = []
    for pid in pids:
        try:
            processes.append(psutil.Process(pid))
        except psutil.NoSuchProcess:
            continue
    _, alive = psutil.wait_procs(processes, timeout=30)
    return not alive


def numbers(text: str, word: str) -> list[int]:
    return [int(line.split()[1]) for line in text.splitlines() if line.startswith(word)]


@pytest.mark.parametrize("warm", [True, False])
def test_a_script_runs_as_the_program_of_its_process(script, warm):
    attempt = script(
        "import sys\nprint(__name__, __file__ == sys.argv[0], sys.argv[1:], file=sys.stderr)\n"
        "print(sys.modules['__main__'].__file__ == __file__)",
        "one",
        "two",
        warm=warm,
    )
    outcome = attempt.wait()
    assert (outcome.result, outcome.exit_code, outcome.code) == (Result.SUCCESS, 0, "SUCCESS")
    assert attempt.stderr == "__main__ True ['one', 'two']\n"
    assert attempt.stdout == "True\n"
    assert outcome.cpu_seconds > 0
    assert outcome.peak_memory > 1 << 20
    assert attempt.process is not None
    assert gone(attempt.process.pid)


@pytest.mark.parametrize(
    ("end", "code", "said"),
    [
        ("sys.exit()", 0, ""),
        ("sys.exit(0)", 0, ""),
        ("sys.exit(3)", 3, "exit code 3"),
        ("sys.exit('no more')", 1, "no more"),
        ("raise ValueError('odd')", 1, "ValueError: odd (script"),
        ("os._exit(4)", 4, "os._exit"),
        ("os._exit(0)", 0, "os._exit"),
        ("os.kill(os.getpid(), 9)", -signal.SIGKILL, "SIGKILL"),
        ("os.abort()", -signal.SIGABRT, "SIGABRT"),
        ("os.kill(os.getpid(), 15); time.sleep(60)", None, "SIGTERM"),
        ("os.execv('/bin/sh', ['sh', '-c', 'sleep 60'])", -signal.SIGKILL, "SIGKILL"),
    ],
)
def test_how_a_script_ends(script, end, code, said):
    attempt = script(f"import os, sys, time\n{end}")
    outcome = attempt.wait()
    good = code == 0 and not said
    assert (outcome.result is Result.SUCCESS) is good, outcome
    assert outcome.exit_code == code
    assert said in outcome.message


def test_a_traceback_begins_at_the_users_file(script):
    outcome = script("def f():\n    return {}['key']\n\nf()").wait()
    lines = outcome.trace.splitlines()
    assert lines[0] == "Traceback (most recent call last):"
    assert "script" in lines[1]
    assert lines[1].endswith("line 4, in <module>")
    assert outcome.message.endswith(".py:2)")


def test_a_long_error_is_cut_and_is_whole_in_the_log(script):
    attempt = script("raise ValueError('x' * 3_000_000)")
    outcome = attempt.wait()
    assert outcome.message.startswith("ValueError: xxx")
    assert outcome.message.endswith(".py:1)")
    assert "3,000,02" in outcome.message
    assert (len(outcome.message), len(outcome.trace)) == (10_000, 64 << 10)
    assert "characters were cut to 65,536; all are in stderr" in outcome.trace
    assert "x" * 3_000_000 in attempt.stderr
    assert len(script("import sys\nsys.exit('x' * 20_000)").wait().message) == 10_000
    assert len(script("raise ValueError('x' * 9_900)").wait().message) < 10_000


MUTE = "class Mute(Exception):\n    def __str__(self):\n        return self.absent\n\nraise Mute"


def test_an_error_that_cannot_tell_its_text_is_the_users(script):
    outcome = script(MUTE).wait()
    assert outcome.code == "RUN_EXECUTION_ERROR"
    assert outcome.message.startswith("Mute: <its text cannot be told: __str__ raised Attribute")
    assert outcome.message.endswith(".py:5)")


def test_what_is_written_at_exit_is_there_when_the_end_is_told(script, tmp_path):
    outcome = script(
        "import atexit, threading, time\n"
        "file = open('unclosed.txt', 'w')\nfile.write('kept')\n"
        "atexit.register(lambda: open('atexit.txt', 'w').close())\n"
        "go = threading.Event()\n"
        "threading.Thread(target=lambda: (go.wait(), open('thread.txt', 'w').close())).start()\n"
        "threading.Timer(0.05, go.set).start()\n"
    ).wait()
    assert outcome.result is Result.SUCCESS
    assert (tmp_path / "unclosed.txt").read_text() == "kept"
    assert (tmp_path / "atexit.txt").exists()
    assert (tmp_path / "thread.txt").exists()


def test_output_bigger_than_a_pipe_and_not_text(script):
    attempt = script(
        "import os, sys\nos.write(2, bytes(range(256)))\n"
        "sys.stdout.buffer.write(b'\\xff' * 3000000)"
    )
    assert attempt.wait().result is Result.SUCCESS
    folder = attempt.assignment.folder
    assert (folder / "stdout").read_bytes() == b"\xff" * 3_000_000
    assert (folder / "stderr").read_bytes() == bytes(range(256))


@pytest.mark.parametrize("close", ["sys.stdout.close()", "os.close(1)", "sys.stdout = None"])
def test_a_task_may_close_its_output(script, close):
    attempt = script(f"import os, sys\nprint('said')\n{close}")
    assert attempt.wait().result is Result.SUCCESS
    assert attempt.stdout == "said\n"


def test_output_is_seen_while_the_task_runs(script, workers):
    attempt = script("import time\nprint('begun')\ntime.sleep(600)")
    attempt.until_said("begun\n")
    workers.stop(attempt.number)
    assert attempt.wait().result is Result.CANCELED


def test_a_warm_process_is_used_once(script):
    first = script("import builtins, os\nbuiltins.kept = 1\nprint(os.getpid())")
    first.wait()
    second = script("import builtins, os\nprint(os.getpid(), hasattr(builtins, 'kept'))")
    second.wait()
    assert second.stdout.split()[1] == "False"
    assert second.stdout.split()[0] != first.stdout.strip()


def test_a_stopped_task_cleans_up(script, workers):
    attempt = script(
        "import time\ntry:\n    print('begun')\n    time.sleep(600)\nfinally:\n    print('cleaned')"
    )
    attempt.until_said("begun")
    workers.stop(attempt.number)
    outcome = attempt.wait()
    assert (outcome.result, outcome.code) == (Result.CANCELED, "CANCELED")
    assert attempt.stdout == "begun\ncleaned\n"


def test_a_task_that_ignores_the_request_is_killed(begin, script, tmp_path):
    workers = Workers(grace=0.1)
    try:
        python = script(
            "import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
            "print('begun')\ntime.sleep(600)",
            by=workers,
        )
        shell = begin(
            "shell_task",
            {"command": "trap '' TERM; echo begun; while true; do sleep 600; done"},
            by=workers,
        )
        for attempt in (python, shell):
            attempt.until_said("begun")
            workers.stop(attempt.number)
        for attempt in (python, shell):
            outcome = attempt.wait()
            assert outcome.result is Result.CANCELED
            assert "killed" in outcome.message
    finally:
        workers.close()


def test_a_shell_hears_the_request_to_stop(begin, workers):
    attempt = begin(
        "shell_task",
        {"command": "trap 'echo cleaned; exit 0' TERM; echo begun; sleep 600 & wait"},
    )
    attempt.until_said("begun")
    workers.stop(attempt.number)
    assert attempt.wait().result is Result.CANCELED
    assert attempt.stdout == "begun\ncleaned\n"


def test_no_process_is_left_of_an_attempt(script):
    attempt = script(
        f"{DAEMON}\nimport subprocess\nprint('child', subprocess.Popen(['sleep', '600']).pid)"
    )
    assert attempt.wait().result is Result.SUCCESS
    pids = numbers(attempt.stdout, "daemon") + numbers(attempt.stdout, "child")
    assert len(pids) == 2
    assert not any(psutil.pid_exists(pid) for pid in pids)


def test_no_process_is_left_of_a_killed_attempt(script):
    attempt = script(f"{DAEMON}\nprint('begun')\ntime.sleep(600)")
    attempt.until_said("begun")
    daemon = numbers(attempt.until_said("daemon"), "daemon")
    assert attempt.process is not None
    os.kill(attempt.process.pid, signal.SIGKILL)
    outcome = attempt.wait()
    assert (outcome.result, outcome.code) == (Result.FAILED, "DRIVER_ERROR")
    assert not psutil.pid_exists(daemon[0])


def test_two_hundred_quick_tasks(script):
    attempts = [script("print('said')") for _ in range(200)]
    assert all(attempt.wait().result is Result.SUCCESS for attempt in attempts)
    assert all(attempt.stdout == "said\n" for attempt in attempts)


def test_an_unknown_type_is_refused(begin):
    outcome = begin("spark_pyton_task", {}).wait()
    assert (outcome.result, outcome.code) == (Result.FAILED, "INVALID_RUN_CONFIGURATION")
    assert "Did you mean 'spark_python_task'?" in outcome.message


def test_settings_that_are_not_there_are_named(begin):
    missing = begin("spark_python_task", {}).wait()
    assert missing.code == "INVALID_RUN_CONFIGURATION"
    assert "python_file" in missing.message
    absent = begin("spark_python_task", {"python_file": "absent.py"}).wait()
    assert absent.code == "RESOURCE_NOT_FOUND"
    assert "absent.py" in absent.message


def test_a_function_is_called_with_its_parameters(begin, tmp_path):
    (tmp_path / "steps.py").write_text(
        "async def later(): return 2\ndef add(left, right): return f'{left}{right}'\n"
        "class Step: pass\n"
    )
    parameters = [{"name": "left", "value": "a"}, {"name": "right", "value": "b"}]
    added = begin("python_operator_task", {"main": "steps.add", "parameters": parameters}).wait()
    assert added.output == {"result": "ab"}
    assert begin("python_operator_task", {"main": "steps:later"}).wait().output == {"result": 2}
    wrong = begin("python_operator_task", {"main": "steps.ad"}).wait()
    assert wrong.code == "RESOURCE_NOT_FOUND"
    kind = begin("python_operator_task", {"main": "steps.Step"}).wait()
    assert kind.code == "INVALID_RUN_CONFIGURATION"
    assert "is a class" in kind.message


def test_memory_is_limited(script):
    outcome = script("data = bytearray(400 << 20)", memory_limit=200 << 20).wait()
    assert outcome.result is Result.FAILED
    assert f"limit of {200 << 20} bytes" in outcome.message
    aborted = script("import os; os.abort()", memory_limit=200 << 20).wait()
    assert f"limited to {200 << 20} bytes" in aborted.message
    assert script("data = bytearray(400 << 20)").wait().peak_memory > 400 << 20


def test_close_leaves_nothing(script, begin):
    workers = Workers(grace=0.1)
    attempts = [script(f"{DAEMON}\nprint('begun')\ntime.sleep(600)", by=workers) for _ in range(3)]
    said = [attempt.until_said("daemon") for attempt in attempts]
    workers.close()
    assert [attempt.wait().result for attempt in attempts] == [Result.CANCELED] * 3
    pids = [attempt.process.pid for attempt in attempts]
    pids += [pid for text in said for pid in numbers(text, "daemon")]
    assert len(pids) == 6
    assert not any(psutil.pid_exists(pid) for pid in pids)


def test_what_json_cannot_say_fails_the_attempt_and_nothing_else(begin, script, tmp_path):
    (tmp_path / "odd.py").write_text("def run(settings, context): return {'value': object()}")
    workers = Workers(given=Given(types={"odd_task": "odd:run"}))
    try:
        path = {"PYTHONPATH": str(tmp_path)}
        output = begin("odd_task", {}, by=workers, environment=path).wait()
        settings = begin("odd_task", {"value": object()}, by=workers).wait()
        assert script("", by=workers).wait().result is Result.SUCCESS
    finally:
        workers.close()
    for outcome in (output, settings):
        assert (outcome.result, outcome.code) == (Result.FAILED, "INTERNAL_ERROR")
        assert "JSON" in outcome.message


def test_attempts_wait_for_each_other_and_may_be_stopped_while_they_do(script):
    workers = Workers(at_most=2)
    try:
        running = [script("import time\ntime.sleep(600)", by=workers) for _ in range(2)]
        waiting = [script("print('said')", by=workers) for _ in range(2)]
        for attempt in running:
            assert attempt.begun.wait(60)
        workers.stop(waiting[0].number)
        assert waiting[0].wait().result is Result.CANCELED
        assert not waiting[1].begun.is_set()
        workers.stop(running[0].number)
        assert waiting[1].wait().result is Result.SUCCESS
        assert waiting[0].process is None
    finally:
        workers.close()
    assert running[1].wait().result is Result.CANCELED


def test_an_attempt_after_the_end_is_canceled(script):
    workers = Workers()
    workers.close()
    workers.close()
    assert script("", by=workers).wait().result is Result.CANCELED


def test_tasks_are_not_told_the_password_of_the_mail_server(script, monkeypatch):
    monkeypatch.setenv("LAKEFLOW_SMTP_URL", "smtp://ann:hush@example.org")
    workers = Workers()
    try:
        found = script("import os; print(sorted(os.environ), *os.environ.values())", by=workers)
        assert found.wait().result is Result.SUCCESS
        assert "PATH" in found.stdout
        assert "hush" not in found.stdout
    finally:
        workers.close()
