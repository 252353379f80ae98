"""What questions are answered from: the present, the past, and how fresh it is."""
