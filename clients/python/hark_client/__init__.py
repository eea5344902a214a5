"""The client of Hark: `Client`, `AsyncClient`, what they answer (`models`) and what they raise (`errors`)."""

from hark_client import errors, models, webhooks
from hark_client.client import AsyncClient, Client
from hark_client.errors import HarkError, Invalid, NoAnswer, NotFound, Problem, StillPending, TooManyRequests

__all__ = [
    "AsyncClient",
    "Client",
    "HarkError",
    "Invalid",
    "NoAnswer",
    "NotFound",
    "Problem",
    "StillPending",
    "TooManyRequests",
    "errors",
    "models",
    "webhooks",
]
