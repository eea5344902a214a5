"""What every route shares: reading a request, writing an answer, problem details, pages.

Nothing of what a route is about.
"""
