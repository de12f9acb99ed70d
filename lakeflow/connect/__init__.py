"""The contract between Lakeflow and the systems data come from."""
