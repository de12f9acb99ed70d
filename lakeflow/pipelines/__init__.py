"""What users write: datasets, flows and expectations, and the graph they form."""
