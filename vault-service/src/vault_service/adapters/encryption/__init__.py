"""Encryption at rest: the root key, the keyring, sealing and rewrapping."""
