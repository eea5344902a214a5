"""Paths with line ends (`%0A`) in them, of which Starlette's patterns have two opinions of their own."""

from starlette.convertors import Convertor, register_url_convertor
from starlette.requests import Request

from functions.gateway.web.problem_details import Problem


class AnyText(Convertor[str]):
    """What `{…:path}` takes: any text. Starlette's own takes no line end, so that a name with one has no route and its
    plain 404, where the route's own answer says what is wrong with the name.
    """

    regex = "(?s:.*)"

    def convert(self, value: str) -> str:
        return value

    def to_string(self, value: str) -> str:
        return value


register_url_convertor("path", AnyText())  # for each route that is made from now on, the framework's own included


async def whole_path(request: Request) -> None:
    """Problem 404 where a line end follows what the route's path ends with: the patterns end in `$`, which is also
    before a last line end, so POST …/pause%0A would pause.
    """
    if request.scope["route"].path_regex.fullmatch(request.scope["path"]) is None:
        raise Problem(404)
