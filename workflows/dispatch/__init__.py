"""Sending: jobs brought to Windmill, once and in order, and what became of them."""
