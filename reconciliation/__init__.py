"""What Dodo's API says, taken into the log beside the webhooks, and what it shows to be missing."""
