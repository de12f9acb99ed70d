"""Delta tables: reading their snapshots and writing their commits."""
