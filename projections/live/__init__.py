"""The follower that keeps the read models up with the log."""
