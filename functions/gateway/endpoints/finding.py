"""What every route of endpoints begins with."""

import re
from typing import Annotated

from fastapi import Path

from functions.gateway.services import Endpoints, Gateway
from functions.gateway.web.problem_details import Problem, field_error, invalid
from shared.sending.endpoints import NAME
from shared.sending.event_deliveries import EventDeliveries

Name = Annotated[str, Path(json_schema_extra={"pattern": NAME})]


def endpoints_of(gateway: Gateway, name: str | None = None) -> Endpoints:
    """Problem 409, 422."""
    if name is not None and not re.fullmatch(NAME, name):
        raise invalid(field_error("name", "must be 1 to 63 of a-z 0-9 . _ - and begin with a letter or digit"))
    if gateway.endpoints is None:
        raise Problem(409, "events are off in this deployment: EVENTS=on turns them on")
    return gateway.endpoints


def deliveries_of(gateway: Gateway, endpoints: Endpoints) -> EventDeliveries:
    return EventDeliveries(endpoints.channel, gateway.retention, gateway.policy, gateway.people.suppression_id)
