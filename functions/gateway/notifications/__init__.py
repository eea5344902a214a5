"""Accepting and showing notifications: /v1/notifications."""
