"""The outbox: the jobs that the log calls for, from when their events are read."""
