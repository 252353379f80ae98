"""The console: pages for people, answered by the operations that HTTP and the command line use."""
