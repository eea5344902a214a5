"""The order in which the fakes are asked, and answer: what heals itself afterwards is seen by nothing else."""

from collections.abc import Callable
from typing import Any


class Order:
    """`steps`: "update begins", "update ends", … of all that `of` has wrapped, as it happened."""

    def __init__(self) -> None:
        self.steps: list[str] = []

    def of(self, fake: object, *methods: str) -> Any:
        """The fake, whose calls of these methods are noted; others pass."""
        order = self

        class Noted:
            def __getattr__(self, name: str) -> Any:
                method: Callable[..., Any] = getattr(fake, name)
                if name not in methods:
                    return method

                async def noted(*args: Any, **kwargs: Any) -> Any:
                    order.steps.append(f"{name} begins")
                    try:
                        return await method(*args, **kwargs)
                    finally:
                        order.steps.append(f"{name} ends")

                return noted

        return Noted()
