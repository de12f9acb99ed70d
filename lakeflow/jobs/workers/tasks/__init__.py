"""What each type of task does in its process; one module a type."""
