"""What is not to be sent to an address any more: /v1/suppressions, one by one and as CSV."""
