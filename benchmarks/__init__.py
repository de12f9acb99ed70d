"""What Lakeflow costs, measured beside a careful script written by hand."""
