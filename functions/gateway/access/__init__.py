"""Who calls, what each caller may do, and how much. Managing callers is in `callers/`."""
