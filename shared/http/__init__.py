"""HTTP, both ways: the server that all functions run on, the client that calls providers, tokens over it."""
