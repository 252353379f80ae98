"""Telemetry: what the program tells of itself, and what must stay out of it."""
