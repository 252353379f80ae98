"""Events of our own: what has changed is told, once, as events in the log."""
