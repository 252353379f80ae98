"""What is true: deliveries, the aggregates with their state machines, and the ledger."""
