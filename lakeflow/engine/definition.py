"""What tells one definition of a flow from another that may give other rows."""

from __future__ import annotations

import hashlib

from lakeflow.engine.inputs import told_options
from lakeflow.engine.resolve import ResolvedQuery, SourceRead
from lakeflow.engine.sourcetext import source_text
from lakeflow.pipelines.elements import NativeQuery


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
            loaded = "" if declared.home is None else declared.home.content
            digest.update(f"{loaded}{source_text(declared.function)}".encode())
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
