"""Files that declare jobs: `lakeflow.yml` and Databricks' bundles, read into one value."""
