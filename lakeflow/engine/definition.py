"""What tells one definition of a flow from another that may give other rows."""

from __future__ import annotations

import hashlib
import inspect
import os
import sys
from pathlib import Path

from lakeflow.engine.inputs import told_options
from lakeflow.engine.resolve import ResolvedQuery, SourceRead
from lakeflow.pipelines.elements import NativeQuery
from lakeflow.pipelines.load import LOADED


def definition_of(query: ResolvedQuery, time_zone: str) -> str:
    """Hash of everything that determines a flow's rows, apart from its inputs.

    Args:
        query: The flow's.
        time_zone: The session's; DuckDB's own SQL and functions see it, too.
    """
    digest = hashlib.sha256(time_zone.encode())
    for found in query.with_views():
        declared = found.flow.query
        if isinstance(declared, NativeQuery):
            digest.update(_source_of(declared).encode())
        if found.lowered is not None:
            digest.update(found.lowered.sql.encode())
        digest.update(f"{found.schema} {found.dataset.schema}".encode())
        for expectation in found.dataset.expectations:
            digest.update(
                repr((expectation.name, expectation.condition, expectation.violation)).encode()
            )
        for key, leaf in sorted(found.inputs.items(), key=lambda pair: pair[0]):
            if not isinstance(leaf, ResolvedQuery):
                digest.update(f"{key}={leaf.id}".encode())
            if isinstance(leaf, SourceRead):
                told = told_options(leaf.connector, leaf.options)
                digest.update(repr(sorted(told.items())).encode())
    return digest.hexdigest()


def _source_of(query: NativeQuery) -> str:
    """The text that a function is in, and that of what it has imported from beside its file."""
    if query.home is None:
        return inspect.getsource(query.function)
    texts = [query.function.__qualname__, query.home.content]
    folder = str(Path(query.home.file).parent) + os.sep
    for name, module in sorted(sys.modules.copy().items()):
        file = getattr(module, "__file__", None) or ""
        if _is_users(name, file.removeprefix(folder)) and Path(file).is_file():
            texts.append(f"{name}\n{Path(file).read_text(encoding='utf-8')}")
    return "\n".join(texts)


def _is_users(name: str, file: str) -> bool:
    """Whether a module is of the user's project, and no definition file or installed library."""
    parts = Path(file).parts
    return (
        file.endswith(".py")
        and not Path(file).is_absolute()
        and "site-packages" not in parts
        and not name.startswith(LOADED)
    )
