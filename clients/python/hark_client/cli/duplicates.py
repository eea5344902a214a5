"""duplicates: what a person may have got twice."""

import typer

from hark_client.cli import options
from hark_client.cli.notifications import one_page
from hark_client.cli.output import table
from hark_client.cli.session import session


def duplicates(
    context: typer.Context,
    from_: options.From = None,
    to: options.To = None,
    limit: options.Limit = 20,
    cursor: options.Cursor = None,
    as_json: options.Json = False,
) -> None:
    """Each delivery that a person may have got twice, the latest first."""
    with session(context).connect() as client:
        page = next(client.duplicates.list(from_=from_, to=to, limit=limit, cursor=cursor).pages())
    rows = [(d.notification_id, d.channel, d.status, d.at, [pair.reason for pair in d.pairs]) for d in page.items]
    one_page(page, as_json, table(["notification", "channel", "status", "at", "why"], rows))
