"""Stores of results that are files."""
