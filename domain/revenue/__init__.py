"""What subscriptions and payments earn, by definitions that stand in one table."""
