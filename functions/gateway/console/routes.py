"""The routes of the console. Anybody may load its files; whatever it shows takes a credential, as each call does."""

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from functions.gateway.console import console_files
from functions.gateway.services import Gateway
from functions.gateway.web.load_once import Once
from functions.gateway.web.problem_details import Problem


def console_router(gateway: Gateway) -> APIRouter:
    routes = APIRouter(include_in_schema=False)
    loaded = Once(lambda: console_files.load(gateway.lab_url))

    @routes.get("/console")
    async def console() -> Response:
        return HTMLResponse((await loaded.get()).page, headers=console_files.HEADERS)

    @routes.get("/console/{name:path}")
    async def file_of_console(name: str, request: Request) -> Response:
        file = (await loaded.get()).files.get(name)
        if file is None:
            raise Problem(404)
        return file.answer(request)

    return routes
