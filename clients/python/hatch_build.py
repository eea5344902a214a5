"""Puts what `hark_client.testing` runs into the wheel: see server_packing.py."""

import sys
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class ServerInWheel(BuildHookInterface):  # type: ignore[misc] # hatchling has no types here
    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Before the wheel is written. An editable one imports the checkout's own."""
        if version == "editable":
            return
        sys.path.insert(0, self.root)
        from server_packing import pack  # noqa: PLC0415 - hatchling puts its folder on no path

        packed = Path(tempfile.mkdtemp())
        pack(Path(self.root).parents[1], packed)
        build_data["force_include"][str(packed / "hark_client")] = "hark_client"
