"""What is true: aggregates, their state machines, and what follows from events. No I/O."""
