"""Showing how the deployment itself is: /v1/system."""
