"""Whether somebody may in: a pure function of what is known, an instant and a policy."""
