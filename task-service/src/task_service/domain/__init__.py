"""The rules of tasks, runs and attempts as plain values and functions."""
