"""Following: how whoever needs every event of the log reads it, and notes how far."""
