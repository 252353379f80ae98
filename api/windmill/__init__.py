"""Windmill: starts the merchant's workflows from the log, each of them exactly once."""
