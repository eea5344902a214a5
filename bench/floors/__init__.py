"""The least that can be done on the same server with the same libraries: no validation, no identity, no retries."""
