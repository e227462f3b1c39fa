"""The audit in PostgreSQL: its lines, their checkpoints, and what verification and pruning read and remove."""
