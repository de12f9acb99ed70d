"""The repository of a run: checked out once, before its first task, so that all see one commit.

A checkout lies in a folder named after its commit. It is built beside and renamed: what a killed
server leaves is never taken for one. Runs of the same commit share it, unless a task has changed a
file of it; then the next run gets another one.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from lakeflow.core.errors import ConfigurationError, TaskError
from lakeflow.core.failpoints import failpoint
from lakeflow.jobs.home import Home
from lakeflow.jobs.model import JsonValue
from lakeflow.jobs.rows import RunRow
from lakeflow.jobs.workers import leftovers

AT_ONCE = 4
"""Repositories that are checked out at the same time."""

LONGEST = 1200.0
"""Seconds that a step of git may take."""

_CODE = "REPOSITORY_CHECKOUT_FAILED"
_LAST_LINES = 5
_REFS = ("git_branch", "git_tag", "git_commit")
_SCHEMES = ("http", "https", "ssh", "git", "file")
_COMMIT = re.compile("[0-9a-f]{40}|[0-9a-f]{64}")
_OTHERS = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX")
"""Variables that would lead git to another repository than the one it is asked for."""


@dataclass(frozen=True, slots=True)
class Checkout:
    """A commit on the disk.

    Args:
        commit: Its hash.
        folder: Name of the folder in which it lies.
    """

    commit: str
    folder: str


Told = Callable[[RunRow, Checkout | TaskError], None]


class Checkouts:
    """Checks out repositories on threads of its own.

    Args:
        home: Where they go.
        told: Told what has become of the repository of a run.
    """

    def __init__(self, home: Home, told: Told) -> None:
        self._home = home
        self._told = told
        self._pool: ThreadPoolExecutor | None = None
        self._running: set[subprocess.Popen[str]] = set()
        self._lock = threading.Lock()
        self._closed = False

    def begin(self, row: RunRow) -> None:
        """Checks out the repository of a run."""
        with self._lock:
            if self._closed:
                return
            if self._pool is None:
                for each in self._home.checkouts.glob("building-*"):
                    shutil.rmtree(each, ignore_errors=True)
                self._pool = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="checkout")
            self._pool.submit(self._work, row)

    def _work(self, row: RunRow) -> None:
        found: Checkout | TaskError
        try:
            found = self._check_out(row.settings["git_source"], Path(row.root))
        except TaskError as error:
            found = error
        except Exception as error:
            found = TaskError(f"The repository was not checked out: {error}.", _CODE)
        failpoint("jobs.checkout.made")
        if not self._closed:
            self._told(row, found)

    def _check_out(self, source: Mapping[str, JsonValue], root: Path) -> Checkout:
        folder = self._home.checkouts
        folder.mkdir(parents=True, exist_ok=True)
        git = _Git(self, _address(str(source["git_url"]), root), self._environment())
        commit = source.get("git_commit") or git.newest(source)
        patterns = (source.get("sparse_checkout") or {}).get("patterns") or ()
        if _COMMIT.fullmatch(commit) and (known := self._find(git, commit, patterns)):
            return Checkout(commit, known)
        building = folder / f"building-{uuid.uuid4().hex}"
        try:
            commit = git.build(building, commit, patterns)
            return Checkout(commit, self._place(git, building, commit, patterns))
        finally:
            shutil.rmtree(building, ignore_errors=True)

    def _place(self, git: _Git, building: Path, commit: str, patterns: Sequence[str]) -> str:
        """Gives what was built its name, unless somebody else was quicker."""
        for name in _names(commit, patterns):
            with contextlib.suppress(OSError):
                building.rename(self._home.checkouts / name)
                return name
            if git.is_clean(self._home.checkouts / name, commit):
                return name
        raise AssertionError("names do not end")

    def _find(self, git: _Git, commit: str, patterns: Sequence[str]) -> str | None:
        for name in _names(commit, patterns):
            if not (place := self._home.checkouts / name).is_dir():
                return None
            if git.is_clean(place, commit):
                return name
        return None

    def _environment(self) -> dict[str, str]:
        """Of git: nothing that asks, and a mark by which the next server finds what was left."""
        return {
            **{name: os.environ[name] for name in os.environ.keys() - {*_OTHERS}},
            leftovers.MARK: leftovers.mark(str(self._home.database)),
            "LC_ALL": "C",
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_ASKPASS": "",
            "GIT_SSH_COMMAND": os.environ.get("GIT_SSH_COMMAND", "ssh -o BatchMode=yes"),
            "GIT_HTTP_LOW_SPEED_LIMIT": "1000",
            "GIT_HTTP_LOW_SPEED_TIME": "60",
        }

    @contextlib.contextmanager
    def running(self, process: subprocess.Popen[str]) -> Iterator[None]:
        """Kills a process of git when this closes."""
        with self._lock:
            self._running.add(process)
            if self._closed:
                _kill(process)
        try:
            yield
        finally:
            with self._lock:
                self._running.discard(process)

    def close(self) -> None:
        """Ends everything; the next server begins again."""
        with self._lock:
            self._closed = True
            for process in self._running:
                _kill(process)
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)


class _Git:
    """Runs git for one repository.

    Args:
        checkouts: Ends it.
        address: Of the repository.
        environment: Variables.
    """

    def __init__(self, checkouts: Checkouts, address: str, environment: Mapping[str, str]) -> None:
        self._checkouts = checkouts
        self._hidden: list[str] = []
        url = urlsplit(address) if "://" in address else None
        # Not among the words of the command, which everybody on the machine can read.
        settings = {"core.hooksPath": os.devnull, "gc.auto": "0", "maintenance.auto": "false"}
        if url is not None and url.scheme in ("http", "https") and url.username is not None:
            pair = f"{unquote(url.username)}:{unquote(url.password or '')}"
            host = url.netloc.rpartition("@")[2]
            address = url._replace(netloc=host).geturl()
            coded = base64.b64encode(pair.encode()).decode()
            settings[f"http.{url.scheme}://{host}/.extraHeader"] = f"Authorization: Basic {coded}"
            self._hidden += [coded, unquote(url.password or ""), unquote(url.username)]
        settings["remote.source.url"] = address
        self._environment = {**environment, "GIT_CONFIG_COUNT": str(len(settings))}
        for number, (name, value) in enumerate(settings.items()):
            self._environment[f"GIT_CONFIG_KEY_{number}"] = name
            self._environment[f"GIT_CONFIG_VALUE_{number}"] = value

    def newest(self, source: Mapping[str, JsonValue]) -> str:
        """The commit at which a branch, a tag or the default branch is."""
        ref, what = "HEAD", "default branch"
        if branch := source.get("git_branch"):
            ref, what = f"refs/heads/{branch}", f"branch {branch}"
        elif tag := source.get("git_tag"):
            ref, what = f"refs/tags/{tag}", f"tag {tag}"
        said = self._run(["ls-remote", "source", ref, f"{ref}^{{}}"], None)
        found = {name: commit for commit, _, name in (s.partition("\t") for s in said.splitlines())}
        commit = found.get(f"{ref}^{{}}") or found.get(ref)  # of a tag, or what it is a tag of
        if commit is None:
            raise TaskError(f"The repository has no {what}.", _CODE)
        return commit

    def build(self, place: Path, commit: str, patterns: Sequence[str]) -> str:
        """Makes a checkout; returns the hash of the commit."""
        self._run(["init", "--quiet", "--template=", str(place)], None)
        fetch = ["fetch", "--quiet", "--no-tags", "--no-recurse-submodules"]
        try:
            self._run([*fetch, "--depth=1", "source", commit], place)
        except TaskError:  # not every server gives a commit by its hash, none by a part of it
            refs = ["+refs/heads/*:refs/remotes/source/*", "+refs/tags/*:refs/tags/*"]
            self._run([*fetch, "source", *refs], place)
        whole = self._run(
            ["rev-parse", "--verify", "--quiet", f"{commit}^{{commit}}"], place, (0, 1)
        )
        if not whole:
            raise TaskError(f"The repository has no commit {commit}.", _CODE)
        commit = whole.strip()
        if patterns:
            words = ["sparse-checkout", "set", "--cone", "--stdin"]
            self._run(words, place, given="\n".join(patterns))
        self._run(["checkout", "--quiet", "--detach", commit], place)
        return commit

    def is_clean(self, place: Path, commit: str) -> bool:
        """Whether a checkout is still what its commit says."""
        words = ["--no-optional-locks", "status", "--porcelain", "--untracked-files=no"]
        with contextlib.suppress(TaskError, OSError):
            if self._run(["rev-parse", "HEAD"], place).strip() == commit:
                return not self._run(words, place)
        return False

    def _run(
        self, words: list[str], place: Path | None, good: Sequence[int] = (0,), given: str = ""
    ) -> str:
        ours, theirs = socket.socketpair()
        with ours, self._start(words, place, theirs) as process, self._checkouts.running(process):
            try:
                said, wrong = process.communicate(f"\n{given}", LONGEST)
            except subprocess.TimeoutExpired:
                _kill(process)
                raise TaskError(f"git {words[0]} took over {LONGEST:g} seconds.", _CODE) from None
        if process.returncode not in good:
            last = [line for line in wrong.splitlines() if line.strip()][-_LAST_LINES:]
            told = self._without_secrets("\n".join(last))
            raise TaskError(f"git {words[0]} failed with {process.returncode}:\n{told}", _CODE)
        return said

    def _start(
        self, words: list[str], place: Path | None, guard: socket.socket
    ) -> subprocess.Popen[str]:
        """Starts git, which dies when the other end of the guard is closed.

        It waits for a line before it begins: until then its guard is not armed.
        """
        with guard:
            if shutil.which("git") is None:
                said = "There is no git to check out with."
                raise TaskError(said, _CODE, hint="Install git.")
            process = subprocess.Popen(
                ["/bin/sh", "-c", 'read -r line && exec "$@"', "sh", "git", *words],
                cwd=place,
                env=self._environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                errors="replace",
                start_new_session=True,
                pass_fds=[guard.fileno()],
            )
            leftovers.die_together(process.pid, guard)
        return process

    def _without_secrets(self, text: str) -> str:
        for secret in filter(None, self._hidden):
            text = text.replace(secret, "***")
        text = re.sub(r"://[^/@\s]+@", "://", text)
        return re.sub(r"(://[^\s?'\"]*)\?[^\s'\"]*", r"\1", text)


def check_git_source(settings: Mapping[str, JsonValue]) -> list[ConfigurationError]:
    """All that is wrong with where the files of a job's tasks come from.

    Args:
        settings: The job as the API writes it.
    """
    source = settings.get("git_source")
    if source is None:
        return [
            ConfigurationError(
                f"tasks[{key}]: its source is GIT, and the job has no git_source.",
                hint="Give the job a git_source with a git_url.",
            )
            for key in _from_git(settings.get("tasks") or ())
        ]
    found = [_error(name, said) for name, said in _wrong(source)]
    refs = [name for name in _REFS if source.get(name)]
    if len(refs) > 1:
        found.append(ConfigurationError(f"git_source has {' and '.join(refs)}; give one of them."))
    return found


def uses_git(settings: Mapping[str, Any], task: Mapping[str, Any]) -> bool:
    """Whether the files of a task come from the repository of its job.

    Args:
        settings: Of the job.
        task: The value of the field that says what the task does.
    """
    file = task.get("file")
    said = task.get("source") or (file.get("source") if isinstance(file, Mapping) else None)
    return bool(settings.get("git_source")) and said != "WORKSPACE"


def _wrong(source: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    url = str(source.get("git_url") or "")
    scheme = re.match(r"([\w+.-]+):(?=//|:)", url)
    if not url:
        yield "git_url", "It is missing."
    elif url.startswith("-") or not url.isprintable() or (scheme and scheme[1] not in _SCHEMES):
        yield "git_url", f"It is a path, or begins with {', '.join(f'{s}://' for s in _SCHEMES)}."
    for name in _REFS:
        ref = str(source.get(name) or "")
        if ref.startswith("-") or not ref.isprintable() or set(ref) & set(" ~^:?*[\\"):
            yield name, f"{ref!r} is not the name of one."
    patterns = (source.get("sparse_checkout") or {}).get("patterns")
    if patterns is not None and (
        not isinstance(patterns, list) or not all(isinstance(each, str) for each in patterns)
    ):
        yield "sparse_checkout.patterns", "It is a list of folders."


def _error(name: str, said: str) -> ConfigurationError:
    return ConfigurationError(f"git_source.{name}: {said}")


def _from_git(tasks: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    for task in tasks:
        inner = (task.get("for_each_task") or {}).get("task") or {}
        for each in (task, inner):
            for name, value in each.items():
                if name.endswith("_task") and isinstance(value, Mapping):
                    file = value.get("file")
                    sources = [value, file if isinstance(file, Mapping) else {}]
                    if any(place.get("source") == "GIT" for place in sources):
                        yield str(task.get("task_key"))


def _address(url: str, root: Path) -> str:
    """What git is asked for: an address as it is, a path as a whole one."""
    if "://" in url or re.match(r"[^/]+:", url):
        return url
    return str((root / url).absolute())


def _names(commit: str, patterns: Sequence[str]) -> Iterator[str]:
    """The names that a checkout may have; later ones if a task has changed the files of earlier."""
    name = commit
    if patterns:
        name += f"-{hashlib.sha256(json.dumps(sorted(patterns)).encode()).hexdigest()[:12]}"
    yield name
    number = 2
    while True:
        yield f"{name}.{number}"
        number += 1


def _kill(process: subprocess.Popen[str]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
