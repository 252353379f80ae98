"""What follows the log: the read models, each with its rows, SQL and queries, and the follower."""
