"""Showing work on many records: /v1/operations."""
