"""A warm worker ends as Python does; what is written at the end is what `python FILE` writes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from lakeflow.jobs.model import Result

SAYS = """
import os, sys
said = os.open(sys.argv[1] + "/said", os.O_CREAT | os.O_WRONLY | os.O_APPEND)

class Says:
    def __init__(self, text):
        self.text = text
    # At its very end Python has no names any more, not even open.
    def __del__(self, write=os.write, said=said):
        write(said, self.text.encode())
"""

ENDS = {
    "an object": f"{SAYS}\nkept = Says('gone')",
    "a circle": (
        f"{SAYS}\none, other = Says('one'), Says('one')\none.other, other.other = other, one"
    ),
    "an object of a class of its own module": f"{SAYS}\nimport beside\nbeside.kept = Says('gone')",
    "a module that something shared knows": (
        f"{SAYS}\nimport json, beside\nbeside.kept = Says('gone')\njson.kept = beside"
    ),
    "a generator": (
        f"{SAYS}\ndef f():\n    try:\n        yield\n    finally:\n        Says('at last')\n"
        "kept = f()\nnext(kept)"
    ),
    "an exception": (
        f"{SAYS}\nimport sys\ntry:\n    kept = Says('caught')\n    raise ValueError\n"
        "except ValueError as error:\n    sys.last_value = error"
    ),
    "a file": "import sys\nfile = open(sys.argv[1] + '/file', 'w')\nfile.write('kept')",
    "a file that something shared knows": (
        "import json, sys\njson.kept = open(sys.argv[1] + '/file', 'w')\njson.kept.write('kept')"
    ),
    "another output": ("import sys\nsys.stdout = open(sys.argv[1] + '/file', 'w')\nprint('kept')"),
    "a log": (
        "import logging, sys\nlogging.basicConfig(filename=sys.argv[1] + '/log')\n"
        "logging.warning('kept')"
    ),
    "a temporary file": (
        "import sys, tempfile\nkept = tempfile.NamedTemporaryFile(dir=sys.argv[1])\n"
        "other = tempfile.TemporaryDirectory(dir=sys.argv[1], ignore_cleanup_errors=True)"
    ),
    "an error at exit": (
        f"{SAYS}\nimport atexit\n@atexit.register\ndef fails():\n    Says('at exit')\n"
        "    raise ValueError('too late')"
    ),
    "a daemon": (
        f"{SAYS}\nimport threading, time\ndef f():\n    while True:\n        time.sleep(0.0001)\n"
        "class Slow:\n    def __del__(self, sleep=time.sleep):\n        sleep(0.05)\n"
        "kept = Slow()\nthreading.Thread(target=f, daemon=True).start()"
    ),
    "a file of C": (
        "import ctypes, sys\nlibrary = ctypes.CDLL(None)\nlibrary.fopen.restype = ctypes.c_void_p\n"
        "file = library.fopen(sys.argv[1].encode() + b'/file', b'w')\n"
        "library.fputs(b'kept', ctypes.c_void_p(file))"
    ),
}


def written(folder: Path) -> dict[str, str]:
    return {each.name: each.read_text() for each in folder.iterdir()}


@pytest.mark.parametrize("name", ENDS)
def test_a_worker_ends_as_python_does(script, tmp_path, name):
    (tmp_path / "beside.py").touch()
    (tmp_path / "plain.py").write_text(ENDS[name])
    folders = tmp_path / "ours", tmp_path / "pythons"
    for folder in folders:
        folder.mkdir()
    attempt = script(ENDS[name], str(folders[0]))
    expected = subprocess.run(
        [sys.executable, tmp_path / "plain.py", folders[1]],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert attempt.wait().result is Result.SUCCESS
    assert written(folders[0]) == written(folders[1])
    assert attempt.stdout == expected.stdout
    said, meant = (text.splitlines()[-1:] for text in (attempt.stderr, expected.stderr))
    assert said == meant


@pytest.mark.parametrize("loads", ["json", "pyarrow"])
def test_what_is_shared_is_given_up_only_where_native_code_was_loaded(script, tmp_path, loads):
    folder = tmp_path / "ours"
    folder.mkdir()
    attempt = script(f"{SAYS}\nimport json, {loads}\njson.kept = Says('gone')", str(folder))
    assert attempt.wait().result is Result.SUCCESS
    assert written(folder) == {"said": "" if loads == "json" else "gone"}
