"""The page in a real browser, a file for each subject."""
