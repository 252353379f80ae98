"""The jobs that routes have for events of the log, until they have ended."""
