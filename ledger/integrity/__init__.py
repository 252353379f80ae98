"""Integrity: what proves that the log is whole, and tells what was done to it."""
