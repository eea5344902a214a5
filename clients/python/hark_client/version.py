"""The version, for its package and for the gateway's logs."""

__version__ = "0.1.0"
