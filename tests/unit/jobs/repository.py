"""Repositories of git, made for a test."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

_ENVIRONMENT = {
    **{name: value for name, value in os.environ.items() if not name.startswith("GIT_")},
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
    **{f"GIT_{who}_NAME": "Ann" for who in ("AUTHOR", "COMMITTER")},
    **{f"GIT_{who}_EMAIL": "ann@example.org" for who in ("AUTHOR", "COMMITTER")},
}


def git(place: Path, *words: str) -> str:
    """What git says in a folder."""
    done = subprocess.run(
        ["git", *words],
        cwd=place,
        env=_ENVIRONMENT,
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout.strip()


def commit(place: Path, files: Mapping[str, str], message: str = "More.") -> str:
    """Writes files and commits them; returns the commit."""
    for name, text in files.items():
        path = place / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    git(place, "add", "--all")
    git(place, "commit", "--quiet", "--allow-empty", "--message", message)
    return git(place, "rev-parse", "HEAD")


def make_repository(place: Path, files: Mapping[str, str]) -> str:
    """Makes a repository whose branch is `main`; it is there as a whole or not at all."""
    building = place.with_name(f"{place.name}-building")
    shutil.rmtree(building, ignore_errors=True)
    building.mkdir(parents=True)
    git(building, "init", "--quiet", "--initial-branch=main")
    made = commit(building, files, "The first.")
    building.rename(place)
    return made
