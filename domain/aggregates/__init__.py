"""One module for each kind of thing, with its states and transitions."""
