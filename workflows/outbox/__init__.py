"""The jobs that routes start for events of the log, until they have ended."""
