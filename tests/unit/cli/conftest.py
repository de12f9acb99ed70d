"""Ways to run the command line as a user does: in a pipe and on a terminal."""

from __future__ import annotations

import fcntl
import importlib.util
import io
import os
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest

from lakeflow.cli.main import main

SCRIPT = Path(__file__).with_name("fake_command.py")

# The child makes the terminal its own, so that the kernel turns Ctrl-C into a signal for it.
LAUNCH = (
    "import fcntl, os, sys, termios;"
    "fcntl.ioctl(0, termios.TIOCSCTTY, 0);"
    "os.execv(sys.executable, [sys.executable, *sys.argv[1:]])"
)


def environment(story: str, **more: str) -> dict[str, str]:
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("LAKEFLOW_")
        and name not in ("NO_COLOR", "FORCE_COLOR", "COLUMNS", "LINES")
    }
    return {**kept, "TERM": "xterm-256color", "FAKE_STORY": story, **more}


Piped = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def piped(
    tmp_path: Path,
    fake: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Piped:
    """Runs `lakeflow ...` over the fake engine in this process, with no terminal."""

    def run(
        *arguments: str, story: str = "good", stdin: str = "", **variables: str
    ) -> subprocess.CompletedProcess[str]:
        for name in [name for name in os.environ if name.startswith("LAKEFLOW_")]:
            monkeypatch.delenv(name)
        for name, value in {"FAKE_STORY": story, **variables}.items():
            monkeypatch.setenv(name, value)
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, "stdin", io.StringIO(stdin))
        capsys.readouterr()
        with pytest.raises(SystemExit) as end:
            main(arguments, open_session=fake.FakeSession)
        for name in variables:
            monkeypatch.delenv(name)
        code = end.value.code
        assert isinstance(code, int)
        return subprocess.CompletedProcess(arguments, code, *capsys.readouterr())

    return run


@pytest.fixture
def program(tmp_path: Path) -> Piped:
    """Runs `lakeflow ...` over the fake engine as a program with its output in pipes."""

    def run(*arguments: str, story: str = "good") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, str(SCRIPT), *arguments],
            cwd=tmp_path,
            env=environment(story, FORCE_COLOR="1", CLICOLOR_FORCE="1"),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return run


@pytest.fixture(scope="session")
def fake() -> ModuleType:
    """The module of the fake engine, for its values."""
    spec = importlib.util.spec_from_file_location("lakeflow_fake_command", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


class Terminal:
    """A terminal with a program in it.

    Args:
        arguments: What Python is to run.
        variables: The program's environment.
        cwd: Where it runs.
        lines: Height of the screen.
        columns: Width of the screen.
    """

    def __init__(
        self, arguments: list[str], variables: dict[str, str], cwd: Path, lines: int, columns: int
    ) -> None:
        self.lines = lines
        self.master, slave = os.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        self.process = subprocess.Popen(
            [sys.executable, "-c", LAUNCH, *arguments],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env=variables,
            cwd=cwd,
            start_new_session=True,
        )
        os.close(slave)
        self.raw = ""

    def read_until(self, wanted: str | None, seconds: float = 30) -> str:
        """Reads until the text has appeared on the screen, or until the program ends (None)."""
        deadline = time.monotonic() + seconds
        while wanted is None or wanted not in self.screen():
            ready, _, _ = select.select([self.master], [], [], deadline - time.monotonic())
            assert ready, f"{wanted!r} did not come; the screen shows:\n{self.screen()}"
            try:
                read = os.read(self.master, 65536)
            except OSError:  # the program has closed the terminal
                read = b""
            if not read:
                assert wanted is None, f"the program ended; the screen shows:\n{self.screen()}"
                return self.screen()
            self.raw += read.decode()
        return self.screen()

    def press_ctrl_c(self) -> None:
        os.write(self.master, b"\x03")

    def end(self) -> tuple[int, str]:
        """Waits for the end; the exit code and what the screen then shows."""
        screen = self.read_until(None)
        return self.process.wait(30), screen

    def screen(self) -> str:
        """What a person sees, scrolled-off lines included."""
        lines, row, column = [""], 0, 0
        for match in re.finditer(r"\x1b\[([?\d;]*)([A-Za-z])|\r|\n|[^\x1b\r\n]+", self.raw):
            text, number, letter = match[0], match[1], match[2]
            if text == "\r":
                column = 0
            elif text == "\n":
                row += 1
                lines += [""] * (row - len(lines) + 1)
            elif letter == "A":
                row = max(0, row - int(number or 1))
            elif letter == "K":
                lines[row] = ""
            elif letter is None:
                before = lines[row].ljust(column)
                lines[row] = before[:column] + text + before[column + len(text) :]
                column += len(text)
            else:
                assert letter in "mhl", f"unknown control sequence {text!r}"
        return "\n".join(line.rstrip() for line in lines)

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait(30)
        os.close(self.master)


OpenTerminal = Callable[..., Terminal]


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[OpenTerminal]:
    """Runs `lakeflow ...` over the fake engine on a terminal."""
    opened: list[Terminal] = []

    def run(
        *arguments: str,
        story: str = "good",
        lines: int = 24,
        columns: int = 100,
        **variables: str,
    ) -> Terminal:
        opened.append(
            Terminal(
                [str(SCRIPT), *arguments], environment(story, **variables), tmp_path, lines, columns
            )
        )
        return opened[-1]

    yield run
    for each in opened:
        each.close()
