"""What a bundle may ask about the Git checkout in which it lies, read from Git's own files."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Checkout:
    """A Git checkout; texts are empty where Git says nothing.

    Args:
        branch: The branch that is checked out; empty if a commit is.
        commit: Its commit.
        origin_url: Where it was cloned from.
    """

    branch: str = ""
    commit: str = ""
    origin_url: str = ""


def read_checkout(folder: Path) -> Checkout:
    """The checkout around a folder; an empty one if there is none."""
    for around in (folder.absolute(), *folder.absolute().parents):
        marker = around / ".git"
        if marker.is_dir():
            return _read(marker)
        if marker.is_file():  # a worktree or a submodule
            text = _text(marker)
            return _read(around / text.removeprefix("gitdir:").strip())
    return Checkout()


def _read(git: Path) -> Checkout:
    common = git / (_text(git / "commondir").strip() or ".")
    head = _text(git / "HEAD").strip()
    if not head.startswith("ref:"):
        return Checkout("", head, _origin(common))
    reference = head.removeprefix("ref:").strip()
    commit = _text(git / reference).strip() or _text(common / reference).strip()
    if not commit:
        packed = re.search(
            rf"^([0-9a-f]+) {re.escape(reference)}$", _text(common / "packed-refs"), re.MULTILINE
        )
        commit = packed[1] if packed else ""
    return Checkout(reference.removeprefix("refs/heads/"), commit, _origin(common))


def _origin(git: Path) -> str:
    section = re.search(
        r'^\[remote "origin"\]\s*$(.*?)(?=^\[|\Z)',
        _text(git / "config"),
        re.MULTILINE | re.DOTALL,
    )
    url = re.search(r"^\s*url\s*=\s*(.+?)\s*$", section[1], re.MULTILINE) if section else None
    return url[1] if url else ""


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
