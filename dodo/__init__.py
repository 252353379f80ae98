"""Dodo's API as Raphus reads it: what can be asked, how fast, and what an answer means."""
