"""Words that every part of Lakeflow shares; nothing here imports more than the standard library."""
