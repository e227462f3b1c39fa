"""The fault suite: what it shows and how is told in docs/faults.md."""
