"""The command line `hark`, of the extra `cli`."""

import sys


def main() -> None:
    """What the console script starts."""
    try:
        from hark_client.cli.app import app  # noqa: PLC0415 - without the extra there is no typer
    except ImportError as missing:
        sys.exit(f"hark needs more than the client: pip install 'hark-client[cli]' ({missing})")
    app()
