"""The ports of the application, grouped by their users."""
