"""Integrity: what proves that the log is whole, or says how it was tampered with."""
