"""Read models written anew from history, live or as known at a time."""
