"""Work in the background: expiry and cleaning."""
