"""The child process that runs query functions: `python -m lakeflow.backends.worker FD BYTES`."""

from __future__ import annotations

import errno
import faulthandler
import hashlib
import os
import resource
import signal
import sys
import threading
from multiprocessing.connection import Connection
from pathlib import Path
from queue import SimpleQueue

from lakeflow.backends.frames import result_schema, value_of, write
from lakeflow.backends.functions import Call, out_of_memory
from lakeflow.core.errors import DataError, LakeflowError
from lakeflow.core.names import TableName
from lakeflow.core.schema import Schema
from lakeflow.pipelines.elements import Home, NativeQuery
from lakeflow.pipelines.functions import function_error, invoke
from lakeflow.pipelines.load import load_python
from lakeflow.pipelines.registry import ListRegistry

STACKS = 128 << 20
"""Bytes of threads' stacks, which count against the limit and are hardly used."""


class Functions:
    """The functions of definition files, each file loaded once."""

    def __init__(self) -> None:
        self._files: dict[Home, dict[tuple[str, TableName], NativeQuery]] = {}
        self._checked: set[str] = set()

    def find(self, call: Call) -> NativeQuery:
        """The function of a call."""
        home = call.home
        if home not in self._files:
            self._files[home] = _load(home)
            # Functions may import at any time what lies beside their file.
            sys.path.insert(0, str(Path(home.file).parent))
        found = self._files[home].get((call.flow, call.target))
        if found is None:
            raise DataError(
                f"{home.file} declares no flow {call.flow} any more; it declares something else "
                "each time it is loaded.",
                hint="Let what a file declares depend on nothing that changes.",
            )
        return found

    def run(self, call: Call) -> None:
        """Calls a function and writes its result."""
        query = self.find(call)
        self._check_modules(call)
        name = query.function.__name__
        values = {key: value_of(files, kind) for key, (files, kind) in call.inputs.items()}
        found = invoke(query, values)
        try:
            schema, found = result_schema(found, name, query.location)
            _check_same(schema, call.schema, name, query)
            write(found, call.path)
            self._check_modules(call)
        except (LakeflowError, MemoryError):
            raise
        except (Exception, SystemExit) as error:
            if getattr(error, "errno", None) == errno.ENOMEM or "os error 12" in str(error):
                raise MemoryError from error
            raise function_error(query, error) from error

    def _check_modules(self, call: Call) -> None:
        """Refuses modules that were loaded in another version than the update began with.

        What was loaded in the right one stays as it is, whatever becomes of its file.

        Raises:
            DataError: One was changed meanwhile.
        """
        loaded = {getattr(module, "__file__", None) for module in list(sys.modules.values())}
        for file in (call.modules.keys() & loaded) - self._checked:
            path = Path(file)
            text = path.read_bytes() if path.exists() else b""
            if hashlib.sha256(text).hexdigest() != call.modules[file]:
                raise _changed(file)
            self._checked.add(file)


def _changed(file: str) -> DataError:
    return DataError(
        f"{file} was changed during the update.",
        hint="Run the pipeline again; it takes the file as it is then.",
    )


def _load(home: Home) -> dict[tuple[str, TableName], NativeQuery]:
    """The functions of a file as it was when the update began, by flow and target.

    Raises:
        DataError: It was changed meanwhile.
    """
    registry = ListRegistry(home.catalog, home.schema)
    load_python(Path(home.file), registry)
    found = {
        (flow.name, flow.target): flow.query
        for flow in registry.flows
        if isinstance(flow.query, NativeQuery)
    }
    if any(query.home != home for query in found.values()):
        raise _changed(home.file)
    return found


def _check_same(found: Schema, analysed: Schema, name: str, query: NativeQuery) -> None:
    before = {field.name: field.type for field in analysed}
    now = {field.name: field.type for field in found}
    if before == now:
        return
    said = [f"{n} {t} is new" for n, t in now.items() if n not in before]
    said += [f"{n} is missing" for n in before if n not in now]
    said += [
        f"{n} is {t}, was {before[n]}" for n, t in now.items() if n in before and t != before[n]
    ]
    raise DataError(
        f"{name} returns other columns for rows than for none: {'; '.join(said)}.",
        condition="QUERY_FUNCTION_SCHEMA_CHANGED",
        location=query.location,
        hint="Let the columns depend on nothing but the columns of the inputs.",
    )


def serve(calls: Connection, functions: Functions, limit: int) -> None:
    """Answers calls; this process ends with the connection, even in the middle of a call."""
    waiting: SimpleQueue[Call] = SimpleQueue()
    threading.Thread(target=_receive, args=(calls, waiting), daemon=True).start()
    while True:
        call = waiting.get()
        answer: LakeflowError | None = None
        try:
            functions.run(call)
        except LakeflowError as error:
            answer = error
        except MemoryError:
            answer = out_of_memory(call.flow, limit)
        sys.stdout.flush()
        calls.send(answer)


def _receive(calls: Connection, waiting: SimpleQueue[Call]) -> None:
    try:
        while True:
            waiting.put(calls.recv())
    except (EOFError, OSError):
        os._exit(0)


def main() -> None:
    """Serves until the parent ends."""
    descriptor, limit = int(sys.argv[1]), int(sys.argv[2])
    for number in (signal.SIGINT, signal.SIGTERM):  # the parent decides what they do
        signal.signal(number, lambda *_: None)
    faulthandler.enable()
    # Not the address space: Polars maps the files that it reads.
    resource.setrlimit(resource.RLIMIT_DATA, (limit + STACKS, limit + STACKS))
    serve(Connection(descriptor), Functions(), limit)


if __name__ == "__main__":
    main()
