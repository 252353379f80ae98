"""The tests of the whole: unit, integration, end to end, and what they share."""
