"""How a resource's method becomes a call: written once, it blocks under `Client` and is awaited under `AsyncClient`."""

import functools
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping
from types import MethodType
from typing import Any, Generic, Optional, TypeVar, overload

import httpx
from typing_extensions import Concatenate, ParamSpec, Self

from hark_client.answers import model_of
from hark_client.models.base import Page
from hark_client.sending import AsyncSender, Endpoint, Flow, Gateway, Sender, Sends, exchange

P = ParamSpec("P")
T = TypeVar("T")
NOTHING: type[None] = type(None)
S = TypeVar("S", Sender, AsyncSender)

LEFT_OUT: Mapping[tuple[str, str], str] = {
    ("GET", "/healthz"): "for whoever watches the process",
}
"""What /openapi.json has and this client has not. The pages for people (/u/…, /docs, /console) are not in it."""


OF_PROVIDERS = ("/v1/receipts/", "/v1/inbound/")
"""Where paths begin that providers call, and sign: this client has none of them."""


class Resource(Generic[S]):
    """A part of the API."""

    def __init__(self, gateway: Gateway, sender: S) -> None:
        self._gateway = gateway
        self._sender: S = sender


class Operation(Generic[P, T]):
    """A method whose flow is run by the client's sender. endpoint: None: it uses others"""

    def __init__(
        self,
        flow: Callable[Concatenate[Any, P], Flow[T]],
        endpoint: Optional[Endpoint] = None,
        answer: Any = None,
    ) -> None:
        self.flow = flow
        self.endpoint = endpoint
        self.answer = answer
        self.__doc__ = flow.__doc__

    @overload
    def __get__(self, instance: None, owner: Any) -> Self: ...
    @overload
    def __get__(self, instance: Resource[Sender], owner: Any) -> Callable[P, T]: ...
    @overload
    def __get__(self, instance: Resource[AsyncSender], owner: Any) -> Callable[P, Coroutine[Any, Any, T]]: ...
    def __get__(self, instance: Optional[Resource[Any]], owner: Any) -> Any:
        if instance is None:
            return self
        sender, flow = instance._sender, MethodType(self.flow, instance)

        @functools.wraps(flow)
        def run(*args: P.args, **kwargs: P.kwargs) -> Any:
            return sender.run(flow(*args, **kwargs))

        return run


class Paged(Generic[P, T]):
    """A method whose answer comes in pages: it gives an iterator, which asks for each page when it comes to it."""

    def __init__(
        self,
        sends: Callable[Concatenate[Any, P], Sends],
        endpoint: Endpoint,
        answer: Any,
        read: Callable[[httpx.Response], Page[T]],
    ) -> None:
        self.sends = sends
        self.endpoint = endpoint
        self.answer = answer
        self._read = read
        self.__doc__ = sends.__doc__

    @overload
    def __get__(self, instance: None, owner: Any) -> Self: ...
    @overload
    def __get__(self, instance: Resource[Sender], owner: Any) -> "Callable[P, Items[T]]": ...
    @overload
    def __get__(self, instance: Resource[AsyncSender], owner: Any) -> "Callable[P, AsyncItems[T]]": ...
    def __get__(self, instance: Optional[Resource[Any]], owner: Any) -> Any:
        if instance is None:
            return self
        resource = instance

        @functools.wraps(MethodType(self.sends, resource))
        def pages(*args: P.args, **kwargs: P.kwargs) -> Any:
            sends = self.sends(resource, *args, **kwargs)

            def page(cursor: Optional[str]) -> Flow[Page[T]]:
                query = sends.query if cursor is None else {**sends.query, "cursor": cursor}
                response = yield from exchange(resource._gateway, self.endpoint, Sends(path=sends.path, query=query))
                return self._read(response)

            items = Items if isinstance(resource._sender, Sender) else AsyncItems
            return items(resource._sender, page)

        return pages


class Items(Generic[T]):
    """The items of all pages, from the first on each time it is iterated over; `pages` gives them page by page."""

    def __init__(self, sender: Sender, page: Callable[[Optional[str]], Flow[Page[T]]]) -> None:
        self._sender = sender
        self._page = page

    def __iter__(self) -> Iterator[T]:
        for page in self.pages():
            yield from page.items

    def pages(self) -> Iterator[Page[T]]:
        cursor: Optional[str] = None
        while True:
            page = self._sender.run(self._page(cursor))
            yield page
            cursor = page.next_cursor
            if cursor is None:
                return


class AsyncItems(Generic[T]):
    """The same for `async for`."""

    def __init__(self, sender: AsyncSender, page: Callable[[Optional[str]], Flow[Page[T]]]) -> None:
        self._sender = sender
        self._page = page

    async def __aiter__(self) -> AsyncIterator[T]:
        async for page in self.pages():
            for item in page.items:
                yield item

    async def pages(self) -> AsyncIterator[Page[T]]:
        cursor: Optional[str] = None
        while True:
            page = await self._sender.run(self._page(cursor))
            yield page
            cursor = page.next_cursor
            if cursor is None:
                return


def operation(
    method: str, path: str, answer: type[T], *, repeatable: bool = True, takes_key: bool = False, plans: bool = False
) -> Callable[[Callable[Concatenate[Any, P], Sends]], Operation[P, T]]:
    """Of a method that says what it sends: a call that answers with this model, or with None where there is none.

    repeatable: whether the same request again has the effect of one. Of those that are not, only a request that was
    surely not taken is tried again: it found no connection, or was answered 429.
    plans: it only says what would be done
    """
    endpoint = Endpoint(method, path, repeatable, takes_key, removes=method == "DELETE" and not plans)

    def of(sends: Callable[Concatenate[Any, P], Sends]) -> Operation[P, T]:
        @functools.wraps(sends)
        def flow(resource: Resource[Any], /, *args: P.args, **kwargs: P.kwargs) -> Flow[T]:
            response = yield from exchange(resource._gateway, endpoint, sends(resource, *args, **kwargs))
            if answer is type(None) or response.status_code in {204, 404}:
                return None  # type: ignore[return-value] # its answer says so
            return model_of(response, answer, endpoint.name)  # type: ignore[type-var] # it is a model

        return Operation(flow, endpoint, answer)

    return of


def paged(path: str, item: type[T]) -> Callable[[Callable[Concatenate[Any, P], Sends]], Paged[P, T]]:
    """Of a method that says which query it makes: an iterator of such items."""
    endpoint = Endpoint("GET", path)
    page = Page[item]  # type: ignore[valid-type] # a model that is made here

    def of(sends: Callable[Concatenate[Any, P], Sends]) -> Paged[P, T]:
        return Paged(sends, endpoint, item, lambda response: model_of(response, page, endpoint.name))

    return of


def steps(flow: Callable[Concatenate[Any, P], Flow[T]]) -> Operation[P, T]:
    """Of a method that is a flow of its own."""
    return Operation(flow)
