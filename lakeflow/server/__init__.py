"""Puts jobs, the engine and the outside world together."""
