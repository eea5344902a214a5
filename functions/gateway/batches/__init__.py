"""Many notifications in one request: POST /v1/batches. What becomes of one is `notifications`'."""
