"""Credits: the entries of a ledger, and the account that they add up to."""
