"""The API's parts, one a module: each method says what it sends, and the decorator above it where."""
