"""Spark's functions, by theme."""
