"""One notification to all of a list: planned first, then worked off as an operation. /v1/broadcasts."""
