"""The repository of a run is checked out once; all its tasks see the same commit."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from lakeflow.core.errors import ConfigurationError
from lakeflow.jobs.control import cancel, repair
from lakeflow.jobs.model import Result
from lakeflow.jobs.rows import JobEvent
from tests.unit.jobs.repository import commit, git, make_repository
from tests.unit.jobs.scripted import World, script

FILES = {"load.py": "one\n", "top.txt": "", "sql/a.sql": "select 1", "big/b.bin": "b"}


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    place = tmp_path / "repository"
    make_repository(place, FILES)
    return place


@pytest.fixture
def world(tmp_path: Path):
    (tmp_path / "home").mkdir()
    world = World(tmp_path / "home")
    yield world
    world.scheduler.close()
    world.store.close()


def job(url: object, *tasks: dict, **source: object) -> dict:
    return {
        "name": "j",
        "git_source": {"git_url": str(url), "git_provider": "gitHub", **source},
        "tasks": list(tasks) or [script("load")],
    }


def arrive(world: World, run: int) -> int:
    """Takes in what the threads that check out have to tell of a run."""
    while not (row := world.row(run)).checkout and row.state != "TERMINATED":
        world.scheduler._inbox.wait(30)
        assert len(world.scheduler._inbox)
        world.turn()
    of_run = world.store.select(JobEvent, "run_id = ? ORDER BY sequence", (run,))
    types = [event.type for event in of_run]
    if "task.started" in types:
        assert types.index("run.checked_out") < types.index("task.started")
    return run


def begin(world: World, settings: dict) -> int:
    return arrive(world, world.run(world.job(settings)))


def root(world: World, name: str = "load") -> Path:
    (found,) = [
        given.root for given, _ in world.runner.running.values() if given.names["task_key"] == name
    ]
    return found


def files(place: Path) -> dict[str, str]:
    return {
        str(path.relative_to(place)): path.read_text()
        for path in place.rglob("*")
        if path.is_file() and ".git" not in path.parts
    }


@pytest.mark.parametrize("how", ["branch", "tag", "annotated", "commit", "short", "default"])
@pytest.mark.parametrize("address", ["path", "file"])
def test_a_branch_a_tag_and_a_commit(world, repository, how, address):
    git(repository, "switch", "--quiet", "--create", "side")
    wanted = commit(repository, {"load.py": "two\n"})
    git(repository, "tag", "v1")
    git(repository, "tag", "--annotate", "--message", "Two.", "v2")
    newest = commit(repository, {"load.py": "three\n"})
    source = {
        "branch": {"git_branch": "side"},
        "tag": {"git_tag": "v1"},
        "annotated": {"git_tag": "v2"},
        "commit": {"git_commit": wanted},
        "short": {"git_commit": wanted[:10]},
        "default": {},
    }[how]
    url = repository if address == "path" else f"file://{repository}"
    run = begin(world, job(url, **source))
    found = newest if how in ("branch", "default") else wanted
    assert world.row(run).used_commit == found
    text = {wanted: "two\n", newest: "three\n"}[found]
    assert files(root(world)) == {**FILES, "load.py": text}
    (event,) = world.store.select(JobEvent, "type = 'run.checked_out'")
    assert found in event.message
    world.end("load")
    assert world.row(run).result is Result.SUCCESS


def test_all_tasks_see_the_same_commit(world, repository):
    first = git(repository, "rev-parse", "HEAD")
    settings = job(repository, script("a"), script("b", "a"), git_branch="main")
    run = begin(world, settings)
    place = root(world, "a")
    second = commit(repository, {"load.py": "two\n"})
    world.end("a")
    assert root(world, "b") == place
    assert files(place)["load.py"] == "one\n"
    world.end("b")
    other = begin(world, settings)
    assert files(root(world, "a"))["load.py"] == "two\n"
    assert (world.row(run).used_commit, world.row(other).used_commit) == (first, second)


def test_a_repair_sees_the_newest_commit(world, repository):
    run = begin(world, job(repository, git_branch="main"))
    world.end("load", Result.FAILED)
    second = commit(repository, {"load.py": "mended\n"})
    world.ask(lambda turn: repair(world.scheduler, turn, run, all_failed=True))
    arrive(world, run)
    assert files(root(world))["load.py"] == "mended\n"
    assert world.row(run).used_commit == second


def test_runs_of_a_commit_share_its_checkout_unless_a_task_has_changed_it(world, repository):
    settings = {**job(repository), "max_concurrent_runs": 9}
    places = []
    for change in ("", "untracked", "tracked", ""):
        begin(world, settings)
        places.append(root(world))
        world.end("load")
        if change == "untracked":
            (places[-1] / "target").write_text("made by a task")
        elif change == "tracked":
            (places[-1] / "load.py").write_text("changed by a task")
    assert places[0] == places[1] == places[2] != places[3]
    assert files(places[3]) == FILES
    shutil.rmtree(repository)  # nothing is fetched for a commit that is there
    settings["git_source"] = {**settings["git_source"], "git_commit": places[0].name}
    begin(world, settings)
    assert root(world) == places[3]


def test_only_the_folders_that_are_asked_for(world, repository):
    begin(world, job(repository, sparse_checkout={"patterns": ["sql"]}))
    assert set(files(root(world))) == {"load.py", "top.txt", "sql/a.sql"}
    begin(world, job(repository))
    sizes = sorted(len(files(given.root)) for given, _ in world.runner.running.values())
    assert sizes == [3, 4]


def test_a_task_of_the_workspace_runs_in_its_own_folder(world, repository):
    here = {"spark_python_task": {"python_file": "a.py", "source": "WORKSPACE"}}
    query = {"sql_task": {"file": {"path": "b.sql", "source": "WORKSPACE"}}}
    listed = {"sql_task": {"file": {"path": "sql/a.sql", "source": "GIT"}}}
    needs = [{"whl": "a.whl"}, {"jar": "/b.jar"}, {"pypi": {"package": "six"}}]
    begin(
        world,
        {
            **job(
                repository,
                {**script("a", shell_task={}), **here, "shell_task": None},
                script("b", **query),
                script("c", **listed),
                script("d", libraries=needs, environment_key="e"),
            ),
            "environments": [
                {
                    "environment_key": "e",
                    "spec": {"dependencies": ["six", "./x.whl", "-r r.txt", "y.whl"]},
                }
            ],
        },
    )
    assert [root(world, key) for key in "ab"] == [Path("/"), Path("/")]
    assert root(world, "c") == root(world, "d")
    assert root(world, "c").parent.name == "checkouts"
    (given,) = [each for each, _ in world.runner.running.values() if each.libraries]
    # What a task needs lies in the project, as it does where there is no repository.
    assert given.libraries == (
        {"whl": "/a.whl"},
        {"jar": "/b.jar"},
        {"pypi": {"package": "six"}},
        {"dependencies": ["six", "/x.whl", "-r /r.txt", "/y.whl"]},
    )


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ({"git_branch": "nowhere"}, "no branch nowhere"),
        ({"git_tag": "nothing"}, "no tag nothing"),
        ({"git_commit": "0" * 40}, f"no commit {'0' * 40}"),
        ({"git_commit": "abcdef"}, "no commit abcdef"),
    ],
)
def test_what_is_not_in_the_repository_fails_the_run(world, repository, source, said):
    run = begin(world, job(repository, script("a"), script("b", "a"), **source))
    row = world.row(run)
    assert (row.result, row.code) == (Result.FAILED, "REPOSITORY_CHECKOUT_FAILED")
    assert said in row.message
    assert world.results(run) == {"a": "CANCELED", "b": "CANCELED"}
    assert not list((world.folder / "checkouts").iterdir())


def test_a_run_that_failed_for_its_repository_can_be_repaired(world, repository):
    run = begin(world, job(repository, git_branch="later"))
    git(repository, "branch", "later")
    world.ask(lambda turn: repair(world.scheduler, turn, run, all_failed=True))
    arrive(world, run)
    world.end("load")
    assert (world.row(run).result, world.row(run).code) == (Result.SUCCESS, "SUCCESS")


def test_what_git_says_is_told_without_secrets(world, tmp_path):
    run = begin(world, job("http://ann:hu%73h@127.0.0.1:1/hidden.git?token=hush"))
    row = world.row(run)
    assert row.code == "REPOSITORY_CHECKOUT_FAILED"
    assert "git ls-remote failed with 128" in row.message
    assert "127.0.0.1" in row.message
    events = [event.message for event in world.store.select(JobEvent)]
    assert not any("hush" in said or "ann" in said for said in [row.message, *events])
    run = begin(world, job(tmp_path / "nothing"))
    assert "does not appear to be a git repository" in world.row(run).message


def test_a_machine_without_git(world, repository, monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    run = begin(world, job(repository))
    assert "There is no git" in world.row(run).message


def hold(tmp_path: Path, monkeypatch) -> Path:
    """A git that waits for ever; a file says that it does, and its process."""
    waiting = tmp_path / "waiting"
    os.mkfifo(tmp_path / "never")
    program = tmp_path / "bin" / "git"
    program.parent.mkdir()
    said = f"echo $$ > {waiting}.new && mv {waiting}.new {waiting}"
    program.write_text(f"#!/bin/sh\n{said}\nread line < {tmp_path}/never\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    return waiting


@pytest.mark.parametrize("how", ["cancel", "timeout"])
def test_a_run_is_ended_while_its_repository_is_checked_out(
    world, repository, tmp_path, monkeypatch, how
):
    waiting = hold(tmp_path, monkeypatch)
    run = world.run(world.job({**job(repository), "timeout_seconds": 60}))
    while not waiting.exists():
        os.sched_yield()
    if how == "cancel":
        world.ask(lambda turn: cancel(world.scheduler, turn, run))
    else:
        world.sleep(60)
    expected = Result.CANCELED if how == "cancel" else Result.TIMEDOUT
    assert world.row(run).result is expected
    world.scheduler.close()
    assert world.row(run).result is expected


def test_a_server_that_is_closed_meanwhile_leaves_the_run_to_the_next(
    world, repository, tmp_path, monkeypatch
):
    with monkeypatch.context() as patched:
        waiting = hold(tmp_path, patched)
        run = world.run(world.job(job(repository)))
        while not waiting.exists():
            os.sched_yield()
        world.scheduler.close()
    assert world.row(run).result is None
    (world.folder / "checkouts" / "building-of-a-killed-server").mkdir()
    world.crash()
    arrive(world, run)
    assert [each.name for each in (world.folder / "checkouts").iterdir()] == [
        world.row(run).used_commit
    ]
    world.crash()
    assert root(world).name == world.row(run).used_commit
    world.end("load")
    assert world.row(run).result is Result.SUCCESS


def test_git_dies_with_a_killed_server(repository, tmp_path, monkeypatch):
    waiting = hold(tmp_path, monkeypatch)
    home = tmp_path / "home"
    home.mkdir()
    program = (
        "import sys, threading\n"
        "from pathlib import Path\n"
        "from tests.unit.jobs.scripted import World\n"
        "world = World(Path(sys.argv[1]))\n"
        f"world.run(world.job({job(repository)!r}))\n"
        "threading.Event().wait()\n"
    )
    server = subprocess.Popen([sys.executable, "-c", program, home])
    while not waiting.exists():
        assert server.poll() is None
        os.sched_yield()
    git_process = psutil.Process(int(waiting.read_text()))
    server.kill()
    server.wait()
    _, alive = psutil.wait_procs([git_process], timeout=10)
    for each in alive:
        each.kill()
    assert not alive


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ({"git_url": ""}, "git_source.git_url"),
        ({"git_url": "ext::sh -c date"}, "git_source.git_url"),
        ({"git_url": "--upload-pack=date"}, "git_source.git_url"),
        ({"git_url": "ftp://x/y"}, "git_source.git_url"),
        ({"git_url": "x", "git_branch": "--all"}, "git_source.git_branch"),
        ({"git_url": "x", "git_branch": "a b"}, "git_source.git_branch"),
        ({"git_url": "x", "git_branch": "a", "git_tag": "b"}, "git_branch and git_tag"),
        ({"git_url": "x", "sparse_checkout": {"patterns": "sql"}}, "sparse_checkout.patterns"),
    ],
)
def test_a_source_that_is_none_is_refused(world, source, said):
    with pytest.raises(ConfigurationError, match=said):
        world.job({"name": "j", "git_source": source, "tasks": [script("a")]})


def test_a_task_from_git_needs_a_repository(world):
    inner = script("one", spark_python_task={"python_file": "a.py", "source": "GIT"})
    task = script("fan", for_each_task={"inputs": [1], "task": inner})
    with pytest.raises(ConfigurationError, match=r"tasks\[fan\]: its source is GIT"):
        world.job({"name": "j", "tasks": [task]})
    for url in ("git@example.org:a/b.git", "https://example.org/a", "../a", "/a", "file:///a"):
        world.job({"name": "j", "git_source": {"git_url": url}, "tasks": [task]})
