"""Who is signed in: sessions, each of the API key that was given for it."""
