"""What is answered, as types alone: the server encodes them, and a client decodes them."""
