"""Reading a file scan: inference and evolution of its schema, rescued data, `_metadata`."""

from lakeflow.engine.files.disk import verify, verify_unchanged
from lakeflow.engine.files.evolution import evolve
from lakeflow.engine.files.inference import infer, new_columns
from lakeflow.engine.files.options import RESCUED_COLUMN, ReadOptions, read_options
from lakeflow.engine.files.reading import relation

__all__ = [
    "RESCUED_COLUMN",
    "ReadOptions",
    "evolve",
    "infer",
    "new_columns",
    "read_options",
    "relation",
    "verify",
    "verify_unchanged",
]
