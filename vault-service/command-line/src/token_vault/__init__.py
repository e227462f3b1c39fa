"""The vault from the command line: log in, grant, get tokens, keep a file fresh."""
