"""The function that works off operations, page by page: each kind in a file of its own, named in `kinds.py`."""
