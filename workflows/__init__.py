"""Windmill: starts the merchant's workflows from the log, each of them exactly once.

`routing` says which deliveries start which workflow, `outbox` follows the log and keeps the jobs
that it calls for, `transforming` makes their arguments, `sending` brings them to Windmill and
asks what became of them. `process` is the program that does so, `supervisor` keeps it running.
"""
