"""What is expected to go wrong: the message tells a user all that he needs."""

from __future__ import annotations


class RaphusError(Exception):
    """Something is wrong that Raphus was built to expect; the message says what to do.

    A command that ends by it prints the message alone, and exits with `exit_code`: 1 where
    something failed, 2 where the usage or a setting is wrong. Any other exception is a defect.
    """

    exit_code: int = 1
