"""The fake providers, one module each, and what they report back.

A module with `read` and `failures` is one that is called over HTTP (`emulator.lab.messages.Provider`): it is there by
being here.
"""

import importlib
import pkgutil
from collections.abc import Sequence
from typing import cast

from emulator.lab.messages import Provider


def fakes() -> Sequence[Provider]:
    """Those that are called over HTTP."""
    modules = [importlib.import_module(f"{__name__}.{found.name}") for found in pkgutil.iter_modules(__path__)]
    return [cast(Provider, module) for module in modules if hasattr(module, "failures")]
