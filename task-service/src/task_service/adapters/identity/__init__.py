"""The authorization server, asked whose a token is."""
