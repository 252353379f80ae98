"""The way in, from the bytes of a request to a delivery."""
