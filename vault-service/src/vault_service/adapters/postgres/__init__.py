"""What the vault needs of PostgreSQL beyond the kit: its pool, its clock, advisory locks, group commit."""
