"""Connectors that come with Lakeflow; each registers itself as a stranger would."""
