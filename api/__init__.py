"""The outer edge: HTTP in and out, the command line, settings and the simulated merchant."""
