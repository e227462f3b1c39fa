"""The fault suite; `docs/faults.md` explains its tests and figures."""
