"""Where results that are files are kept."""
