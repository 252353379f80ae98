"""Transforming: what a job is told, by a built-in transformation or by the merchant's own code."""
