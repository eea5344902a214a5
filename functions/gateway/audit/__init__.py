"""Listing what operators did: /v1/audit. How it comes on record is in `audit_trail/`."""
