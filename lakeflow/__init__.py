"""Declarative pipelines, connectors and jobs over Delta tables, on one machine."""

__version__ = "0.1.0"
