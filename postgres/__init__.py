"""How PostgreSQL is spoken to. Knows nothing of what is kept in it."""
