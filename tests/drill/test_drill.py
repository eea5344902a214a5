"""One situation, as short as it can be, from the stack to the report."""

import os
from pathlib import Path

from tests.drill import prometheus, report
from tests.drill.run import Options, run
from tests.drill.situations import PROVIDER_DOWN, SITUATIONS

PROVIDER = [situation for situation in SITUATIONS if situation.name == "provider"]


async def test_a_provider_that_is_down_costs_few_calls_and_the_alert_says_so(tmp_path: Path) -> None:
    missing = prometheus.missing()
    assert not missing or not os.environ.get("CI"), f"CI is set, so this may not be left out: {missing}"
    said: list[str] = []
    drill = await run(PROVIDER, Options(minute=0.7, rate=12, watched=not missing), tmp_path, os.environ, said.append)

    [seen] = drill.seen.values()
    assert said == ["minute 10: The provider of text messages is down: it answers 503"]
    assert seen.accepted == seen.at_once > 20
    assert (seen.lost, seen.dead, seen.twice) == (0, 0, 0)
    assert 0 < seen.calls["sms"] < seen.calls["email"]
    assert seen.ordinary is not None
    if seen.alarms is not None:
        assert PROVIDER_DOWN in {alarm.condition.alert for alarm in seen.alarms}
    written = report.written(drill, PROVIDER, "picture.svg")
    assert "[a provider is down](../operations.md#hark-a-provider-is-down)" in written or seen.alarms is None
    assert "provider" in drill.picture()
