"""The prototype keeps every row once through kills; the stress finds what is broken."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

PROTOTYPE = Path(__file__).with_name("prototype.py")


def stress(seed: int, kills: int, lease: str, mutation: str = ""):
    """In a process of its own, which forks: this one may have threads."""
    command = [sys.executable, PROTOTYPE, str(seed), str(kills), lease, mutation]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=100)


@pytest.mark.parametrize("lease", ["lock", "expiring"])
@pytest.mark.parametrize("seed", [1])
def test_few_kills(seed: int, lease: str):
    survive(seed, 15, lease)


@pytest.mark.faults
@pytest.mark.parametrize("lease", ["lock", "expiring"])
@pytest.mark.parametrize("seed", range(100, 120))
def test_a_thousand_kills(seed: int, lease: str):
    survive(seed, 25, lease)


def survive(seed: int, kills: int, lease: str) -> None:
    process = stress(seed, kills, lease)
    print(process.stdout)
    assert process.returncode == 0, process.stderr
    done = json.loads(process.stdout)
    assert done["killed"]["counted"] + done["killed"].get("timed", 0) >= kills
    assert done["batches"] > 1


@pytest.mark.faults
@pytest.mark.parametrize(
    ("lease", "mutation"),
    [
        ("lock", "no_txn_check"),
        ("lock", "companions_first"),
        ("lock", "position_of_intent"),
        ("expiring", "record_in_hand"),
        ("expiring", "no_epoch"),
    ],
)
def test_a_broken_protocol_is_found(lease: str, mutation: str):
    """What random kills find soon; a missing fence needs a schedule, which the model finds."""
    for seed in range(60):
        process = stress(seed, 30, lease, mutation)
        if process.returncode:
            print(f"seed {seed}:", process.stderr.splitlines()[-1])
            return
    pytest.fail(f"{mutation} was not found")
