"""Importing from a package without running its __init__.

Those of `google.cloud.firestore_v1` and `google.pubsub_v1` load every client that there is, each with REST, and none of
them is used here: a tenth of a second of a cold start, and 126 modules (docs/decisions/011-bare-packages.md).
"""

import importlib.util
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def bare(package: str) -> Iterator[None]:
    """Within, modules of this package are imported by themselves. Whoever imports the package later gets all of it."""
    if package in sys.modules:
        yield
        return
    spec = importlib.util.find_spec(package)
    if spec is None:
        raise ModuleNotFoundError(f"there is no {package}", name=package)
    sys.modules[package] = importlib.util.module_from_spec(spec)
    try:
        yield
    finally:
        del sys.modules[package]
