"""The audit: its lines, the chain of its checkpoints, and their verification."""
