"""Attempts that share a process."""

from __future__ import annotations

import os
import signal
import uuid

import psutil
import pytest

from lakeflow.jobs.model import Result


@pytest.fixture
def cluster(workers):
    text = uuid.uuid4().hex
    yield text
    workers.end_cluster(text)


COUNT = """
import builtins, os
builtins.count = getattr(builtins, "count", 0) + 1
print(os.getpid(), builtins.count)
"""


@pytest.mark.parametrize("warm", [True, False])
def test_attempts_of_a_cluster_share_a_process_and_its_state(script, cluster, warm):
    attempts = [script(COUNT, cluster=cluster, warm=warm) for _ in range(3)]
    assert all(attempt.wait().result is Result.SUCCESS for attempt in attempts)
    said = [attempt.stdout.split() for attempt in attempts]
    assert len({pid for pid, _ in said}) == 1
    assert [count for _, count in said] == ["1", "2", "3"]
    assert {attempt.process for attempt in attempts} == {attempts[0].process}


def test_what_an_attempt_changes_of_its_process_is_put_back(script, cluster):
    script(
        "import os, sys\nos.environ['LEFT'] = '1'\nos.chdir('/')\n"
        "sys.path.append('left')\nsys.argv.append('x')",
        cluster=cluster,
        environment={"GIVEN": "1"},
    ).wait()
    after = script(
        "import os, sys\n"
        "print(os.environ.get('LEFT'), os.environ.get('GIVEN'))\n"
        "print(os.getcwd() == '/', 'left' in sys.path, sys.argv[1:])",
        cluster=cluster,
    )
    after.wait()
    assert after.stdout == "None None\nFalse False []\n"


def test_nothing_is_left_between_attempts(script, begin, cluster):
    first = script(
        "import subprocess\nprint(subprocess.Popen(['sleep', '600'], start_new_session=True).pid)",
        cluster=cluster,
    )
    first.wait()
    assert not psutil.pid_exists(int(first.stdout))
    assert begin("shell_task", {"command": "exit 2"}, cluster=cluster).wait().exit_code == 2


def test_an_end_waits_for_the_attempts_before_it(script, cluster, workers):
    attempts = [script(COUNT, cluster=cluster) for _ in range(2)]
    workers.end_cluster(cluster)
    after = script(COUNT, cluster=cluster)
    for attempt in (*attempts, after):
        attempt.wait()
    assert [attempt.stdout.split()[1] for attempt in (*attempts, after)] == ["1", "2", "1"]
    process = attempts[0].process
    assert process is not None
    assert (
        psutil.wait_procs(
            [psutil.Process(process.pid)] if psutil.pid_exists(process.pid) else [], 30
        )[1]
        == []
    )


def test_a_stopped_attempt_leaves_the_others_their_process(script, cluster, workers):
    first = script("import time\nprint('begun')\ntime.sleep(600)", cluster=cluster)
    waiting = script(COUNT, cluster=cluster)
    canceled = script(COUNT, cluster=cluster)
    first.until_said("begun")
    workers.stop(canceled.number)
    workers.stop(first.number)
    assert first.wait().result is canceled.wait().result is Result.CANCELED
    assert canceled.stdout == ""
    assert waiting.wait().result is Result.SUCCESS
    assert waiting.process == first.process


def test_a_killed_cluster_fails_its_attempt_and_the_next_has_a_new_process(script, cluster):
    first = script("import time\nprint('begun')\ntime.sleep(600)", cluster=cluster)
    waiting = script(COUNT, cluster=cluster)
    first.until_said("begun")
    os.kill(first.process.pid, signal.SIGKILL)
    assert first.wait().code == "DRIVER_ERROR"
    assert waiting.wait().result is Result.SUCCESS
    assert waiting.process != first.process
