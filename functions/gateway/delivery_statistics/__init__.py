"""Numbers of what was accepted, sent and failed: /v1/statistics. Single notifications are in `notifications/`."""
