"""`raphus serve`: one process, or a supervisor and what it keeps running."""
