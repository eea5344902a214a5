"""Beginning what was planned."""

from datetime import datetime, timedelta

from starlette.responses import Response

from functions.gateway.operations.schemas import operation_json
from functions.gateway.services import Gateway
from functions.gateway.web.json_responses import json_answer
from functions.gateway.web.problem_details import Problem, field_error, invalid
from shared.delivery.errors import AlreadyExists
from shared.runtime.logs import get_logger
from shared.sending.operations import Operation

log = get_logger(__name__)

GOOD_FOR = timedelta(days=1)
"""In which a plan can be begun."""
KEPT = timedelta(days=60)
"""A plan's record: longer than any operation takes."""


async def begin_planned(gateway: Gateway, wanted: Operation, planned_at: datetime) -> Response:
    """202 with the operation, however often it is asked for. Problem 422, 503.

    wanted: with an id that is derived from its plan's
    """
    there = await gateway.operations.read(wanted.id)
    if there is None and gateway.now() > planned_at + GOOD_FOR:
        raise invalid(field_error("plan", "was made more than a day ago: plan it again"))
    if there is None:
        try:
            await gateway.operations.create(wanted)
        except AlreadyExists:
            there = await gateway.operations.read(wanted.id)
        else:
            log.info("operation begun", operation_id=wanted.id, kind=wanted.kind, by=wanted.caller)
            there = wanted
    if there is None:
        raise Problem(503, "try again", headers={"Retry-After": "1"})
    return json_answer(operation_json(there), 202, {"Location": f"/v1/operations/{wanted.id}"})
