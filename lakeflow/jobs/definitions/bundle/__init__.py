"""Databricks asset bundles: `databricks.yml` and what it includes, as values."""
