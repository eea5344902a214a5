"""Whoever imports this module collects no garbage until `startup.start`: each main.py does first, and nobody else.

What modules make stays, and to look through it again and again while it grows is a tenth of a cold start (2026-11).
"""

import gc

gc.disable()
