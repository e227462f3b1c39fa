"""The rules of tasks as plain values and functions."""
