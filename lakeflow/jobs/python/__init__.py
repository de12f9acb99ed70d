"""Jobs declared in Python."""
