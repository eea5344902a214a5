"""Showing and steering work on many records: /v1/operations."""
