"""What the application needs of the outside, grouped by its users."""
