"""Mutants of the core: small changes of its code, each of which some fast test must catch. See docs/decisions/009."""
