"""API keys: how they are made and kept, and whose key a request shows."""
