"""Stored folds: what the first events of a long stream add up to, to go on from."""
