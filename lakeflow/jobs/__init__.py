"""When and in what order things run; what runs is handed in from above."""
