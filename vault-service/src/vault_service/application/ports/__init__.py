"""The ports of the use cases, as Protocols: a module for each use case, and one for those that several share."""
