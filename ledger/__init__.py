"""The ledger: deliveries kept for ever, each once, in an order that can be proved."""
