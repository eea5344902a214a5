"""Lists of recipients and their members: /v1/lists. What is sent to one is not here."""
