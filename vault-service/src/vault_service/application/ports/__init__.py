"""What the use cases need from outside, as Protocols: a module for each use case, and one for what several share."""
