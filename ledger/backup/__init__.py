"""All that cannot be built anew, in a file, and back into an empty database."""
