"""Every table there is, as plain SQL in numbered files, and the runner that applies them."""
