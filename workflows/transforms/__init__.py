"""An event made into a job's arguments, built in or by the merchant's own code."""
