"""Settings of jobs: their fields, what they refer to, and what follows from them."""
