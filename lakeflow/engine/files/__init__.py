"""Reading a file scan: inference and evolution of its schema, rescued data, `_metadata`."""

from lakeflow.engine.files.evolution import evolution_mode, evolve
from lakeflow.engine.files.inference import infer, new_columns, sample
from lakeflow.engine.files.options import RESCUED_COLUMN, ReadOptions, read_options
from lakeflow.engine.files.reading import FileReads, Reading

__all__ = [
    "RESCUED_COLUMN",
    "FileReads",
    "ReadOptions",
    "Reading",
    "evolution_mode",
    "evolve",
    "infer",
    "new_columns",
    "read_options",
    "sample",
]
