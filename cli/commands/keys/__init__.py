"""Who may ask over HTTP: keys, made, listed and revoked."""
