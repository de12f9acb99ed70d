"""Makes wheels without any tool."""

from __future__ import annotations

import base64
import hashlib
import zipfile
from collections.abc import Mapping
from pathlib import Path


def make_wheel(
    folder: Path, name: str, version: str, files: Mapping[str, str], entry_points: str = ""
) -> Path:
    """A wheel of pure Python with these files and no dependencies."""
    information = f"{name}-{version}.dist-info"
    content = {
        **files,
        f"{information}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{information}/WHEEL": (
            "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        ),
        **({f"{information}/entry_points.txt": entry_points} if entry_points else {}),
    }
    record = f"{information}/RECORD"
    lines = [f"{path},sha256={_hash(text)},{len(text)}" for path, text in content.items()]
    path = folder / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for each, text in {**content, record: "\n".join([*lines, f"{record},,"]) + "\n"}.items():
            archive.writestr(each, text)
    return path


def _hash(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
