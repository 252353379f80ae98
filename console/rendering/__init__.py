"""How what is answered is written as HTML."""
