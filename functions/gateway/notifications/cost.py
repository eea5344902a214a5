"""What deliveries cost, over a channel that is paid by the piece."""

from dataclasses import dataclass
from decimal import Decimal
from typing import NotRequired

from typing_extensions import TypedDict

from functions.gateway.services import Gateway
from shared.delivery.model import Delivery


class CostJson(TypedDict):
    """segments, price: over a channel that is paid by the piece; without_price: of the segments, those whose price
    SMS_PRICES does not say
    """

    segments: NotRequired[int]
    price: NotRequired[float]
    without_price: NotRequired[int]


@dataclass(slots=True)
class Cost:
    """Of all that was added."""

    segments: int = 0
    is_paid: bool = False
    price: Decimal = Decimal(0)
    without_price: int = 0

    def add(self, gateway: Gateway, delivery: Delivery) -> None:
        if delivery.segments is None:
            return
        self.is_paid = True
        self.segments += delivery.segments
        screen = gateway.screens.get(delivery.channel)
        price = None if screen is None else screen.price(delivery.address)
        if price is None:
            self.without_price += delivery.segments
        else:
            self.price += price * delivery.segments

    def json(self) -> CostJson:
        """Empty where nothing is paid by the piece."""
        if not self.is_paid:
            return CostJson()
        return CostJson(segments=self.segments, price=float(self.price), without_price=self.without_price)
