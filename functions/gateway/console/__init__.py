"""The operators' page at /console: serving its files. What it shows it asks of the public API, as anybody may.

The page itself is in `static/`: `main.js` begins, `pages/` has one module a page.
"""
