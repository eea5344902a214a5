"""Listing, replaying and discarding what is dead: /v1/dead-letters. What dies is decided in `shared/delivery/`."""
