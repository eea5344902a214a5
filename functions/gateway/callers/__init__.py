"""Managing callers: /v1/callers. How a request finds its caller is in `access/`."""
