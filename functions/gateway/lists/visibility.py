"""Which lists and which members a caller has: one that is limited to prefixes of names has no others."""

from functions.gateway.access.caller import Caller
from functions.gateway.access.scopes import forbidden
from functions.gateway.services import Gateway
from functions.gateway.web.common_fields import recipient_name
from functions.gateway.web.problem_details import Problem, field_error, invalid
from shared.people.lists import RecipientList


async def the_list(gateway: Gateway, name: str, caller: Caller) -> RecipientList:
    """Problem 403, 404, 422."""
    check_name("name", name, caller)
    there = await gateway.list_store.recipient_list(name)
    if there is None:
        raise no_such_list()
    return there


def check_name(field: str, name: str, caller: Caller) -> None:
    """Of a list or of a member. Problem 403, 422."""
    try:
        recipient_name(name)
    except ValueError as wrong:
        raise invalid(field_error(field, str(wrong))) from None
    if not caller.may_name(name):
        raise forbidden("this caller is limited to recipients, and lists, with other names")


def no_such_list() -> Problem:
    return Problem(404, "no list has this name")
