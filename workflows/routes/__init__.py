"""Which deliveries are sent to which target, as a file declares it."""
