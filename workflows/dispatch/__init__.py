"""Jobs sent to Windmill, once and in order, and their outcomes."""
