"""When jobs run: triggers and their ticks, as functions of state and time."""
