"""Registered recipients: /v1/recipients."""
