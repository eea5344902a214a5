"""The systems that want to know of events, and what was sent to them: /v1/endpoints."""
