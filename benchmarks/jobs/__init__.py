"""What jobs cost: the server's own work, and the same job given to other schedulers."""
