"""What the program tells of itself and of its failures, and what stays out of it."""
