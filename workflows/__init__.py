"""Starts the merchant's workflows from the log, each of them exactly once.

`routes` says which deliveries start which workflow, `outbox` follows the log and keeps the jobs
that follow from it, `transforms` and `job_arguments` make their arguments, `dispatch` sends them
to Windmill and asks for their outcomes. `worker_process` is the program that does so, `worker` its
work, and `task` what it is told.
"""
