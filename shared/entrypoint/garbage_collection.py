"""Pauses the garbage collector when it is imported: each main.py imports it first, and `resume` ends it.

What modules make stays, and to look through it again and again while it grows is a tenth of a cold start (2026-11).
"""

import gc
import os

gc.disable()


def resume() -> None:
    """It passes over what is there now, and what else there is when gunicorn forks: it writes to all that it looks at,
    and so would make the worker's own copy of every page.
    """
    gc.freeze()
    gc.enable()
    os.register_at_fork(before=gc.freeze)
