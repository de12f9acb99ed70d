"""Spark SQL: text becomes values, and values become the SQL of a backend."""
