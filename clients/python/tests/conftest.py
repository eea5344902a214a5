"""What the client's tests share."""

from hark_client.testing.plugin import hark

__all__ = ["hark"]
