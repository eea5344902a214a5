"""Listing what may have arrived twice: /v1/duplicates. What counts as such is decided in `shared/delivery/`."""
