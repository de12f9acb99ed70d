"""Updates of pipelines: the one place where definitions, sources and tables meet."""
