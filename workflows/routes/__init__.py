"""Which deliveries start which workflow, as a file declares it."""
