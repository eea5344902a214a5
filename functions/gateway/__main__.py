"""`python -m functions.gateway create-caller …`: makes a caller without calling the gateway; the first one, that is.

It writes to the Firestore of GOOGLE_CLOUD_PROJECT (or its emulator), into CALLERS_DATABASE, with the credentials of
whoever runs it, and prints the API key, which is kept nowhere. With HARK_API_KEY set it is that key which opens.
"""

import argparse
import asyncio
import sys
from datetime import UTC, datetime, timedelta

from google.auth.exceptions import GoogleAuthError
from pydantic import SecretStr, ValidationError

from functions.gateway.access import api_keys
from functions.gateway.access.caller import KEY_KINDS, Caller, CallerKind, Scope
from functions.gateway.access.caller_store import FirestoreCallers
from functions.gateway.audit_trail.audit_store import AuditStore, FirestoreAudit
from functions.gateway.audit_trail.entry import COMMAND_LINE, Act, AuditResult
from functions.gateway.audit_trail.trail import Trail
from functions.gateway.callers.schemas import CallerRequest, new_caller
from functions.gateway.settings import GatewaySettings
from functions.gateway.web.problem_details import Problem, of_validation
from shared.channels.registry import load_channels
from shared.delivery.errors import AlreadyExists, StoreError
from shared.entrypoint.startup import open_rpc
from shared.runtime.settings import CoreSettings, Settings, load


class KeySettings(Settings):
    hark_api_key: SecretStr | None = None


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m functions.gateway", description="Manage callers without one.")
    create = parser.add_subparsers(dest="command", required=True).add_parser(
        "create-caller", help="make a caller and print its API key"
    )
    create.add_argument("--name", required=True, help="who or what calls, for people")
    create.add_argument("--kind", choices=list(CallerKind), default=CallerKind.LIVE)
    create.add_argument("--scope", action="append", choices=list(Scope), help="again for each; by default all")
    create.add_argument("--identity", help="of a certificate or token")
    create.add_argument("--issuer", help="of a token")
    return parser.parse_args()


async def _create(arguments: argparse.Namespace) -> None:
    """SystemExit with one line when it cannot be made."""
    try:
        request = CallerRequest.model_validate(
            {
                "name": arguments.name,
                "kind": CallerKind(arguments.kind),
                "scopes": [Scope(scope) for scope in arguments.scope or Scope],
                "identity": arguments.identity,
                "issuer": arguments.issuer,
                "requests_per_minute": None,
                "notifications_per_day": None,
                "segments_per_day": None,
            }
        )
        given = load(KeySettings).hark_api_key if request.kind in KEY_KINDS else None
        key = given.get_secret_value() if given else None
        own = load(GatewaySettings)
        caller, key = new_caller(request, load_channels(), own.token_issuers, datetime.now(UTC), key)
    except ValidationError as wrong:
        raise SystemExit(_said(of_validation(wrong.errors()))) from None
    except Problem as wrong:
        raise SystemExit(_said(wrong)) from None
    settings = load(CoreSettings)
    try:
        rpc = open_rpc(settings).beside(own.callers_database)
        store = FirestoreCallers(rpc)
        try:
            await store.create(caller)
            await _put_on_record(FirestoreAudit(rpc, timedelta(days=own.audit_days)), caller)
        except AlreadyExists:
            there = (await store.read([caller.id])).get(caller.id)
            if there is None or not _same(there, caller, key):
                raise SystemExit(f"hark: there is another caller with the id {caller.id}") from None
    except StoreError as error:
        raise SystemExit(f"hark: {error}") from None
    except GoogleAuthError as error:
        hint = "gcloud auth application-default login, or FIRESTORE_EMULATOR_HOST for an emulator"
        raise SystemExit(f"hark: no credentials for Firestore ({type(error).__name__}): {hint}") from None
    sys.stdout.write(f"{key or caller.id}\n")


async def _put_on_record(store: AuditStore, caller: Caller) -> None:
    """In the audit log, where it can be: the caller is there already, and its key is shown nowhere else."""
    try:
        await Trail(store).put(Act(COMMAND_LINE, "create_caller", f"callers/{caller.id}", AuditResult.DONE, 201))
    except StoreError as error:
        sys.stderr.write(f"hark: the caller is made, and the audit log has no entry of it: {error}\n")


def _same(there: Caller, wanted: Caller, key: str | None) -> bool:
    """Whether nothing is left to do: the key opens, or the identity is let in, to the same."""
    lets_in = api_keys.opens(there, key) if key else there.revoked_at is None
    return lets_in and (there.kind, there.scopes) == (wanted.kind, wanted.scopes)


def _said(problem: Problem) -> str:
    return "hark: " + "; ".join(f"{error['field']}: {error['message']}" for error in problem.errors)


if __name__ == "__main__":
    asyncio.run(_create(_arguments()))
