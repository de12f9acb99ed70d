"""Query functions run in a child process, under a limit of memory.

The child is started when the first function needs it and serves all flows of an update, one after
the other. It ends with this process, whatever happens to it: it watches a pipe that only this
process holds open.

A result is a Parquet file, which DuckDB reads and writes again as the table's. A stream of batches
between the two would save about a tenth of the CPU of a flow (5 million rows of five columns: 0.4
of 3.6 s), and what a file gives is worth more: what user code raises comes before the first row is
staged, the two libraries need their memory one after the other, and the rows can be read again.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, Pipe
from typing import IO

from lakeflow.backends.parquet import ParquetFiles
from lakeflow.core.errors import DataError, Interrupted, LakeflowError
from lakeflow.core.location import Location
from lakeflow.core.names import TableName
from lakeflow.core.schema import Schema
from lakeflow.pipelines.elements import Home

MOMENT = 1.0
"""Seconds within which this process hears of a signal that the child has got, too."""

LAST_WORDS = 2.0
"""Seconds within which what the child has printed is passed on after its end."""


@dataclass(frozen=True, slots=True)
class Call:
    """A function to be called with a batch.

    Args:
        home: The definition file that declares it.
        modules: Files beside it that the function imports, with the hashes of their texts when the
            update began.
        flow: The flow whose query it is.
        target: What that writes.
        inputs: Name of a parameter, or key of a read inside -> its rows and its type.
        schema: Columns that analysis has found.
        path: Where the result goes, as one Parquet file.
    """

    home: Home
    modules: Mapping[str, str]
    flow: str
    target: TableName
    inputs: Mapping[str, tuple[ParquetFiles, str]]
    schema: Schema
    path: str


@dataclass
class FunctionProcess:
    """The child process of an update.

    Args:
        memory_limit: Bytes that it may have.
        threads: Of Polars.
    """

    memory_limit: int
    threads: int
    _child: subprocess.Popen[bytes] | None = None
    _calls: Connection | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _ran_out: bool = False
    _relay: threading.Thread | None = None
    _cancelled: threading.Event = field(default_factory=threading.Event)

    def run(self, call: Call, function: str, location: Location) -> None:
        """Calls a function in the child; returns when its result is written.

        Args:
            call: What to call.
            function: Its name, for errors.
            location: Where it is defined.

        Raises:
            LakeflowError: What the function raised, or that the child has died.
            Interrupted: The update was stopped.
        """
        with self._lock:
            if self._cancelled.is_set():
                raise Interrupted
            if self._child is None:
                self._start()
                if self._cancelled.is_set():  # while it was started, so that nobody has killed it
                    raise self._died(function, location)
            assert self._calls is not None
            try:
                self._calls.send(call)
                answer = self._calls.recv()
            except (EOFError, OSError) as error:
                raise self._died(function, location) from error
        if isinstance(answer, LakeflowError):
            raise answer

    def cancel(self) -> None:
        """Kills the child; whoever waits for it raises `Interrupted`."""
        self._cancelled.set()
        child = self._child
        if child is not None:
            child.kill()

    def close(self) -> None:
        """Ends the child."""
        with self._lock:
            self._end()

    def _start(self) -> None:
        ours, theirs = Pipe()
        environment = {
            **os.environ,
            "POLARS_MAX_THREADS": str(self.threads),
            # What is reserved and not used counts against the limit: Polars' allocator keeps what
            # was given back, and each of its own threads has a stack; Arrow's takes 1 GiB at once.
            "_RJEM_MALLOC_CONF": "retain:false,background_thread:false",
            "ARROW_DEFAULT_MEMORY_POOL": "system",
        }
        self._child = subprocess.Popen(
            [
                sys.executable,
                "-P",  # nothing in the working folder takes the place of a library
                "-m",
                "lakeflow.backends.worker",
                str(theirs.fileno()),
                str(self.memory_limit),
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            pass_fds=[theirs.fileno()],
            env=environment,
            process_group=0,  # a terminal's Ctrl-C reaches this process only, which decides
        )
        theirs.close()
        self._calls = ours
        self._ran_out = False
        self._relay = threading.Thread(
            target=self._tell, args=(self._child.stdout,), name="functions", daemon=True
        )
        self._relay.start()

    def _tell(self, lines: IO[bytes]) -> None:
        """Passes on what user code prints, where this process's own messages go."""
        with lines:
            for line in lines:
                text = line.decode(errors="replace")
                self._ran_out = self._ran_out or "memory allocation of" in text
                sys.stderr.write(text)

    def _end(self) -> int | None:
        child, calls, relay = self._child, self._calls, self._relay
        self._child = self._calls = self._relay = None
        if child is None or calls is None or relay is None:
            return None
        calls.close()
        code = child.wait()
        # What a function has started and left running may hold the other end for long.
        relay.join(LAST_WORDS)
        return code

    def _died(self, function: str, location: Location) -> LakeflowError:
        code = self._end()
        stopped = code in (-signal.SIGINT, -signal.SIGTERM)
        # Whoever ends both processes may have been heard here a moment later than there.
        if self._cancelled.wait(MOMENT if stopped else 0):
            return Interrupted()
        if self._ran_out:
            return out_of_memory(function, self.memory_limit, location)
        ended = f"exit code {code}"
        if code is not None and code < 0:
            ended = signal.Signals(-code).name
            if -code == signal.SIGKILL:
                ended += ", as the system does when memory runs out"
        return DataError(
            f"The process that ran {function} has died ({ended}).",
            condition="QUERY_FUNCTION_FAILED",
            location=location,
            hint="What it printed stands above. It may use "
            f"{self.memory_limit / 2**20:.0f} MiB of memory; see --memory-limit.",
        )


def out_of_memory(function: str, limit: int, location: Location | None = None) -> DataError:
    """A function needs more memory than it may have."""
    return DataError(
        f"{function} needs more memory than the limit of {limit / 2**20:.0f} MiB.",
        condition="OUT_OF_MEMORY",
        location=location,
        hint="Raise the memory limit (--memory-limit, LAKEFLOW_MEMORY_LIMIT), or let the function "
        "return a pl.LazyFrame or a generator, which are not held in memory as a whole.",
    )
