"""The provider of what was sent with a test key: the whole way is walked, and nobody gets anything."""

from shared.sending.provider import Outgoing


class SimulatedProvider:
    name = "simulated"

    async def send(self, outgoing: Outgoing) -> str | None:
        """Always accepts."""
        return None

    async def aclose(self) -> None:
        """Nothing to close."""


SIMULATED = SimulatedProvider()
