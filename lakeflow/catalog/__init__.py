"""Names of tables and the places where they lie."""
