"""Ways in: what people use the vault from, each run as they run it."""
