"""HTTP in and out: webhooks taken, questions answered, and all of it described."""
