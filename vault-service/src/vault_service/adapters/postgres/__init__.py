"""PostgreSQL for the vault, beyond the kit: its pool, its clock, advisory locks, group commit."""
