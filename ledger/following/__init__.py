"""How each follower of the log reads every event, in order, and records how far."""
