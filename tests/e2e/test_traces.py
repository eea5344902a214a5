"""`OTEL=console`: one notification's whole trace, from the caller's `traceparent` to the provider, as a tree."""

import re
from pathlib import Path

from tests.e2e.stack import running, talking_to, until

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"  # pragma: allowlist secret
HEADERS = {"traceparent": f"00-{TRACE}-00f067aa0ba902b7-01"}


async def test_one_notification_is_one_tree_across_the_functions(tmp_path: Path) -> None:
    console = tmp_path / "stack.log"

    def trees(trace_id: str) -> list[list[str]]:
        """Each as its lines, without what `make run` says besides."""
        said = re.split(r"^(?=hark: )", console.read_text(), flags=re.MULTILINE)
        return [tree.rstrip().splitlines() for tree in said if tree.startswith(f"hark: trace {trace_id}")]

    with running(tmp_path, {"OTEL": "console"}) as system:
        async with talking_to(system) as stack:
            stack.http.headers.update(HEADERS)
            sent = await stack.send(to={"email": "once@fail.test", "sms": "+14155552671"})
            stack.http.headers.pop("traceparent")

            async def whole_tree() -> list[str] | None:
                whole = [tree for tree in trees(TRACE) if "attempt 2, accepted" in "".join(tree)]
                return whole[-1] if whole else None

            tree = await until(whole_tree, 40)
            await stack.read(sent["id"])
    steps = [re.sub(r" +[0-9.]+ m?s +\+[0-9.]+ m?s", "", line) for line in tree]
    assert sent["id"] in tree[0]
    assert re.fullmatch(r"  POST /v1/notifications +gateway  202", steps[1])
    assert sum(step.strip(" ├└─│").startswith("publish notifications-") for step in steps) == 2
    sends = [re.sub(" +", " ", step.strip(" ├└─│")) for step in steps if "send " in step]
    assert sorted(sends) == [
        "send sendgrid email attempt 1, retryable, ERROR",
        "send sendgrid email attempt 2, accepted, links to send sendgrid (attempt 1)",
        "send twilio sms attempt 1, accepted",
    ]
    # Nothing of the poll above, no address and no text, and the tree is whole: each line but the first hangs from one.
    everything = console.read_text()
    assert "GET /v1/notifications" not in everything
    assert not [said for said in ("once@fail.test", "+14155552671", "Build 42 is live") if said in everything]
    assert all(line.startswith(("  ├─", "  └─", "  │", "     ")) for line in tree[2:])
