"""Endpoints of the merchant's own over HTTP, which get signed webhooks."""
