"""The folder of a server: its database, its lock, what its tasks leave behind."""

from __future__ import annotations

import fcntl
import json
import os
import time
from dataclasses import dataclass
from pathlib import Path

from lakeflow.core.errors import ConfigurationError, ConflictError


@dataclass(frozen=True, slots=True)
class Home:
    """Where a server keeps what it knows.

    Args:
        folder: The folder; made when the server opens it.
    """

    folder: Path

    @property
    def database(self) -> Path:
        """Jobs and runs."""
        return self.folder / "jobs.db"

    @property
    def workspace(self) -> Path:
        """Files that clients have put there."""
        return self.folder / "workspace"

    @property
    def checkouts(self) -> Path:
        """Repositories that runs have needed, each folder a commit."""
        return self.folder / "checkouts"

    def attempt(self, run_id: int, attempt: int) -> Path:
        """Folder of what one attempt of a task wrote."""
        return self.folder / "runs" / str(run_id) / str(attempt)

    def holder(self) -> dict[str, object] | None:
        """What the server at work here says of itself, such as its process and address.

        Returns:
            None if there is none.

        Raises:
            ConfigurationError: The home is no folder.
        """
        try:
            with (self.folder / "server.lock").open("r") as file:
                try:
                    fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
                except BlockingIOError:
                    text = file.read()
                    return dict(json.loads(text)) if text else {}
        except FileNotFoundError:
            pass
        except NotADirectoryError as error:
            raise _no_folder(self, error) from error
        return None


def _no_folder(home: Home, error: OSError) -> ConfigurationError:
    return ConfigurationError(
        f"{home.folder} cannot hold jobs and runs: {error.strerror or error}.",
        hint="Name a folder that can be written to with --home or LAKEFLOW_HOME.",
    )


class HomeLock:
    """Held by the one server of a home; it ends with the process.

    Args:
        home: The home.
        about: What others are told of the holder.

    Raises:
        ConflictError: Another server holds it.
        ConfigurationError: The folder cannot be made, or nothing be written in it.
    """

    def __init__(self, home: Home, about: dict[str, object]) -> None:
        try:
            home.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._file = (home.folder / "server.lock").open("a+")
        except OSError as error:
            raise _no_folder(home, error) from error
        while not self._taken():
            holder = home.holder()
            if holder is None:  # somebody only looked who holds it
                time.sleep(0.01)
                continue
            self._file.close()
            said = f"process {holder['pid']}" if "pid" in holder else "another process"
            where = f" at {holder['address']}" if holder.get("address") else ""
            raise ConflictError(
                f"A server is already at work in {home.folder}: {said}{where}.",
                hint="Talk to it (leave out --local), stop it, or choose another --home.",
            )
        self.tell(about)

    def _taken(self) -> bool:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def tell(self, about: dict[str, object]) -> None:
        """Changes what others are told."""
        self._file.seek(0)
        self._file.truncate()
        self._file.write(json.dumps({"pid": os.getpid(), **about}))
        self._file.flush()

    def release(self) -> None:
        """Lets the next server in."""
        self._file.close()
