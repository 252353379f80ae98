"""Every delivery, stored once and never changed, in an order that can be proved."""
