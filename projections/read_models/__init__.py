"""One module a table, with its rows and the questions it answers."""
