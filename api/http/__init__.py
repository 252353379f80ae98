"""HTTP: what all requests and responses share."""
