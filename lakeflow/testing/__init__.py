"""Fixtures and fakes for the tests of pipelines."""
