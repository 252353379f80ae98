"""What all requests and responses share."""
