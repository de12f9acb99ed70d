"""Processes that run tasks, and what runs in them."""
