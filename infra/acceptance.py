r"""The half hour on a real cloud, after a deployment: what is as expected there and what not, step by step.

    HARK_API_KEY=… python -m infra.acceptance --project=my-project --region=europe-west1 --name=hark \
        --url=https://hark.example.com

HARK_API_KEY has all scopes; CHANNELS is what Terraform's `channels` is, with commas. The test key comes from Secret
Manager, by gcloud, whose account may do all that Terraform may. Each step says first what it does besides reading. Exit
status 0 only when all is as expected.
"""

import argparse
import base64
import itertools
import json
import os
import sys
import urllib.parse
import uuid
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from infra.cloud import Cloud, Unexpected, asked, gcloud
from shared.channels.registry import channel_names

CHANNELS = channel_names()
CHANNEL = CHANNELS[0]
"""Of which a message is nacked, and whose function is rolled back."""
SCHEDULED = ("relay", "operations")
"""What Cloud Scheduler calls."""
MONITORING = "https://monitoring.googleapis.com"
# What a query's filters are given: any value takes the same index.
VALUES = {
    "recipient": "acceptance",
    "status": "sent",
    "caller": "0123456789abcdef",
    "channel": CHANNEL,
    "address": "acceptance@example.com",
    "tag": "acceptance:yes",
    "template": "acceptance",
    "message_id": "acceptance",
    "from": "2026-01-01T00:00:00Z",
    "actor": "0123456789abcdef",
    "action": "create_caller",
}
STATISTICS = "/v1/statistics?hours=1"  # which counts the entries of indexes
UNINDEXED = {"limit", "cursor", "to", "version"}  # `to` is `from`'s index, and a version is its template's
NOT_SERVED = {403, 409, 422}  # filters that do not go together or are not for this key; events, where they are off
LOG_SECONDS = 3 * 60.0  # until a request's log line can be read
DEAD_SECONDS = 15 * 60.0  # five pushes, whose pauses begin with 10 s and double
ALERT_SECONDS = 10 * 60.0  # until Cloud Monitoring has the metric
IDLE_SECONDS = 15 * 60.0  # longer than Cloud Run keeps an instance's CPU, and often the instance


def urls(cloud: Cloud) -> str:
    """Each function has the URL that Terraform expects, and what calls it has one of its URLs for the audience."""
    number = cloud.gcloud("projects", "describe", cloud.project, "--format=value(projectNumber)").strip()
    of = {function: cloud.service_urls(function) for function in ("gateway", *SCHEDULED, "dead_letter", *CHANNELS)}
    for function, found in of.items():
        expected = f"https://{cloud.service(function)}-{number}.{cloud.region}.run.app"
        if expected not in found:
            raise Unexpected(f"{cloud.service(function)} has the URLs {found}, and not {expected}")
    audiences: dict[str, list[str]] = {}
    for function in SCHEDULED:
        job = cloud.described("scheduler", "jobs", "describe", cloud.service(function), f"--location={cloud.region}")
        audiences[function] = [job["httpTarget"]["oidcToken"]["audience"]]
    for channel in CHANNELS:
        for function, subscription in (
            (channel, f"notifications-{channel}-push"),
            (channel, f"notifications-{channel}-bulk-push"),
            ("dead_letter", _dead(channel, "push")),
        ):
            config = cloud.described("pubsub", "subscriptions", "describe", subscription)["pushConfig"]
            audiences.setdefault(function, []).append(config["oidcToken"]["audience"])
    for function, named in audiences.items():
        if wrong := set(named) - set(of[function]):
            raise Unexpected(f"{cloud.service(function)} is called with the audience {sorted(wrong)}")
    return (
        f"{len(of)} functions with {sum(map(len, of.values()))} URLs; the gateway's are {' and '.join(of['gateway'])}"
    )


def doors(cloud: Cloud) -> str:
    """The load balancer's is open to who has a key, and no other is open."""
    answers = {
        f"{cloud.url}/healthz": asked(f"{cloud.url}/healthz")[0],
        cloud.url: asked(f"{cloud.url}/v1/channels")[0],
    }
    if list(answers.values()) != [200, 401]:
        raise Unexpected(
            f"200 and, without a key, 401 are expected, not {answers}; a 403 is Cloud Run's: see all_users"
        )
    for function in ("gateway", *SCHEDULED, CHANNEL):
        for url in cloud.service_urls(function):
            if (status := asked(f"{url}/healthz")[0]) not in {403, 404}:
                raise Unexpected(f"{url} answers {status} past the load balancer")
    return "200 and 401 through the load balancer, 403 or 404 past it"


def sent(cloud: Cloud) -> str:
    """Sends a notification that reaches no provider."""
    return cloud.sent()


def accepted(cloud: Cloud) -> str:
    """Cloud Run accepts the tokens of Pub/Sub and of Cloud Scheduler."""
    callers = {cloud.service(function) for function in (*SCHEDULED, *CHANNELS)}
    requests = 'resource.type="cloud_run_revision" AND logName:"run.googleapis.com%2Frequests"'
    requests += ' AND NOT httpRequest.requestUrl:"/healthz"'  # the step before this one asks that, without a token

    def answered() -> dict[str, int] | None:
        of: dict[str, int] = dict.fromkeys(callers, 0)
        for entry in cloud.described("logging", "read", requests, "--freshness=5m", "--limit=1000"):
            service, status = entry["resource"]["labels"]["service_name"], entry["httpRequest"]["status"]
            if service in callers and status in {401, 403}:
                raise Unexpected(
                    f"{service} refuses its caller with {status}: its run.invoker binding, or the audience"
                )
            if service in callers and status < 300:
                of[service] += 1
        return of if all(of.values()) else None

    of = cloud.until(answered, LOG_SECONDS, f"not each of {', '.join(sorted(callers))} has answered with a 2xx")
    return ", ".join(f"{service} {count}" for service, count in sorted(of.items()))


def queries(cloud: Cloud) -> str:
    """Every list of the API, with each set of its filters, has its index."""
    document = json.loads(asked(f"{cloud.url}/openapi.json")[1])
    wanted = [(cloud.key, query) for query in _queries(document)]
    # A key that sees only its own asks with one filter more.
    wanted += [(cloud.test_key, query) for _, query in wanted if query.startswith("/v1/notifications?")]
    wanted.append((cloud.key, STATISTICS))
    wrong, served = [], 0
    for key, query in wanted:
        status, _ = asked(cloud.url + query, {"Authorization": f"Bearer {key}"})
        served += status == 200
        if status not in {200, *NOT_SERVED}:
            wrong.append(f"{query} answered {status}")
    if wrong or not served:
        raise Unexpected("; ".join(wrong) + ": the gateway's log says FAILED_PRECONDITION where an index is missing")
    return f"{served} queries"


def nacked(cloud: Cloud) -> str:
    """Publishes what is no message of ours: it goes to the dead letters, where it is kept."""
    mark = f"acceptance {uuid.uuid4()}"
    cloud.gcloud("pubsub", "topics", "publish", f"notifications-{CHANNEL}", f"--message={mark}")

    def kept() -> str | None:
        # Not acknowledged: all that is there stays.
        pull = ("pubsub", "subscriptions", "pull", _dead(CHANNEL, "keep"), "--limit=100")
        for received in cloud.described(*pull):
            message = received["message"]
            if base64.b64decode(message.get("data", "")).decode(errors="replace") == mark:
                return str(message.get("attributes", {}).get("CloudPubSubDeadLetterSourceDeliveryCount"))
        return None

    count = cloud.until(kept, DEAD_SECONDS, f"a message that is nacked is not in {_dead(CHANNEL, 'keep')}")
    if count != "5":
        raise Unexpected(f"it is in the dead letters, with the delivery count {count} and not 5")
    return f"in {_dead(CHANNEL, 'keep')} after 5 pushes"


def alert(cloud: Cloud) -> str:
    """The alert on dead letters has a reason to fire, by its own query."""
    token = {"Authorization": f"Bearer {cloud.gcloud('auth', 'print-access-token').strip()}"}
    name = urllib.parse.quote(f'display_name="{cloud.name}: dead letters"')
    status, body = asked(f"{MONITORING}/v3/projects/{cloud.project}/alertPolicies?filter={name}", token)
    policies = json.loads(body).get("alertPolicies", []) if status == 200 else []
    if not policies:
        raise Unexpected(f"Cloud Monitoring answers {status} with no such policy")
    conditions: list[str] = [
        condition["conditionPrometheusQueryLanguage"]["query"] for condition in policies[0]["conditions"]
    ]

    def firing() -> str | None:
        for query in conditions:
            path = f"/v1/projects/{cloud.project}/location/global/prometheus/api/v1/query"
            status, body = asked(f"{MONITORING}{path}?{urllib.parse.urlencode({'query': query})}", token)
            if status != 200:
                raise Unexpected(f"Cloud Monitoring answers {status} to {query}")
            if json.loads(body)["data"]["result"]:
                return query
        return None

    query = cloud.until(firing, ALERT_SECONDS, "none of its conditions holds")
    return f"{query}; whether a mail came is for you to see"


def rolled_back(cloud: Cloud) -> str:
    """Gives one function's traffic to the revision before, and back; sends a notification at each."""
    service, place = cloud.service(CHANNEL), f"--region={cloud.region}"
    listed = ("run", "revisions", "list", f"--service={service}", place, "--format=value(metadata.name)")
    revisions = cloud.gcloud(*listed, "--sort-by=~metadata.creationTimestamp", "--limit=2").split()
    if len(revisions) < 2:
        raise Unexpected(f"{service} has one revision: deploy once more, then this can be tried")
    update = ("run", "services", "update-traffic", service, place, "--quiet", "--format=none")
    try:
        cloud.gcloud(*update, f"--to-revisions={revisions[1]}=100")
        before = cloud.sent()
    finally:
        cloud.gcloud(*update, "--to-latest")
    return f"{revisions[1]}: {before}; the latest: {cloud.sent()}"


def idle(cloud: Cloud) -> str:
    """Asks nothing for 15 minutes, then sends a notification that reaches no provider."""
    cloud.sleep(IDLE_SECONDS)
    return cloud.sent()


STEPS: Mapping[str, Callable[[Cloud], str]] = {
    step.__name__: step for step in (urls, doors, sent, accepted, queries, nacked, alert, rolled_back, idle)
}


def run(cloud: Cloud) -> bool:
    """Whether all was as expected. A step that was not stops no other."""
    failed = []
    for name, step in STEPS.items():
        sys.stdout.write(f"{name}: {(step.__doc__ or '').strip()}\n")
        sys.stdout.flush()
        try:
            sys.stdout.write(f"  as expected: {step(cloud)}\n")
        except Unexpected as unexpected:
            failed.append(name)
            sys.stdout.write(f"  NOT AS EXPECTED: {unexpected}\n")
        except (KeyError, ValueError, TypeError) as error:
            failed.append(name)
            sys.stdout.write(f"  NOT AS EXPECTED: an answer of another form ({type(error).__name__}: {error})\n")
    sys.stdout.write(f"not as expected: {', '.join(failed)}\n" if failed else "all is as expected\n")
    return not failed


def main() -> None:
    """SystemExit with 1 when something is not as expected."""
    parser = argparse.ArgumentParser(
        prog="infra.acceptance", description="What is as expected in the cloud and what not."
    )
    parser.add_argument("--project", required=True)
    parser.add_argument("--region", required=True)
    parser.add_argument("--name", required=True, help="the first word of every name")
    parser.add_argument("--url", required=True, help="the gateway's: https:// and the domain")
    options = parser.parse_args()
    key = os.environ.get("HARK_API_KEY", "").strip()
    if not key.startswith("hark_") or key.startswith("hark_test_"):
        raise SystemExit("hark: HARK_API_KEY must be a key with all scopes, and no test key")
    secret = ("secrets", "versions", "access", "latest", f"--secret={options.name}-smoke-test-key")
    found = gcloud(*secret, f"--project={options.project}")
    if found.returncode:
        raise SystemExit(f"hark: the test key cannot be read: {found.stderr.strip()[-500:]}")
    url = options.url.rstrip("/")
    if not run(Cloud(options.project, options.region, options.name, url, key, found.stdout.strip())):
        raise SystemExit(1)


def _dead(channel: str, what: str) -> str:
    return f"notifications-{channel}-dead-{what}"


def _queries(document: Mapping[str, Any]) -> Iterator[str]:
    """Each list with each set of its filters. Raises Unexpected for a filter that this does not know a value of."""
    for path, operations in document["paths"].items():
        names = [each["name"] for each in operations.get("get", {}).get("parameters", ()) if each["in"] == "query"]
        if "limit" not in names or "{" in path:  # what is within one thing has that thing for its index
            continue
        filters = [name for name in names if name not in UNINDEXED]
        if unknown := set(filters) - set(VALUES):
            raise Unexpected(f"{path} has the filters {sorted(unknown)}, of which no value is known here")
        for count in range(len(filters) + 1):
            for chosen in itertools.combinations(filters, count):
                yield f"{path}?{urllib.parse.urlencode({'limit': 1} | {name: VALUES[name] for name in chosen})}"


if __name__ == "__main__":
    main()
