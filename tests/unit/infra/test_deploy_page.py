"""docs/deploy.md: it names the versions that the repository has, and what each of its steps may end with."""

import re

import pytest

from tests.e2e.stack import ROOT
from tests.integration.deployment import BUILDS, config, pinned_gcloud

PAGE = (ROOT / "docs" / "deploy.md").read_text()
RELIES = PAGE[PAGE.index("## What this page relies on") :]


def section(number: int) -> str:
    start = PAGE.index(f"\n## {number}. ")
    return PAGE[start : PAGE.index("\n## ", start + 1)]


def locked(name: str) -> str:
    (version,) = re.findall(rf"^{name}==(\S+)", (ROOT / "requirements.txt").read_text(), re.MULTILINE)
    return str(version)


def test_it_names_the_version_of_what_it_relies_on_and_the_day() -> None:
    (image,) = {step["name"] for name in BUILDS for step in config(file=name)["steps"]}
    (provider,) = re.findall(r'version = "(~> [\d.]+)"', (ROOT / "infra" / "versions.tf").read_text())
    for text in (pinned_gcloud(), image, provider, locked("functions-framework")):
        assert text in RELIES
    assert re.search(r"^Checked on \d{4}-\d\d-\d\d,", RELIES, re.MULTILINE)
    assert pinned_gcloud() in PAGE[: PAGE.index("## 1. ")]


def test_what_deploys_functions_has_its_account_before_anything_needs_it() -> None:
    step = section(3)
    (enabled,) = re.findall(r"gcloud services enable (.*?) --project", step, re.DOTALL)
    made = set(re.findall(r"services identity create --service=(\S+)", step))
    assert made == {"pubsub.googleapis.com", "cloudfunctions.googleapis.com", "run.googleapis.com"}
    assert made <= set(enabled.replace("\\", "").split())
    apis = (ROOT / "infra" / "apis.tf").read_text()
    assert all(f'"{api}"' in apis or api == "storage.googleapis.com" for api in enabled.replace("\\", "").split())


# What public reports and Google's documentation have of first applies and first deployments.
@pytest.mark.parametrize(
    ("number", "said"),
    [
        (4, "The metric referenced by the provided filter is unknown"),
        (4, "Aborted due to cross-transaction contention"),
        (4, "Please retry, underlying data changed"),
        (4, "has not been used … or it is disabled"),
        (4, "do not belong to a permitted customer"),
        (8, "cannot run builds in this region"),
        (8, "Max instances must be set to … or fewer"),
        (8, "CpuAllocPerProjectRegion"),
        (8, "no concurrent builds quota available"),
        (8, "run.managed.requireInvokerIam"),
        (8, "has passed no test here"),
        (8, "Google's repository has no"),
    ],
)
def test_an_error_that_is_known_is_in_its_step_with_what_to_do(number: int, said: str) -> None:
    rows = [row for row in section(number).splitlines() if row.startswith("|") and said in row]
    assert rows
    assert all(len(row.strip("|").split("|")) == 3 and row.strip("|").split("|")[2].strip() for row in rows)


def test_each_step_of_the_half_hour_is_in_the_page() -> None:
    steps = re.findall(
        r"^def (\w+)\(cloud: Cloud\) -> str:", (ROOT / "infra" / "acceptance.py").read_text(), re.MULTILINE
    )
    named = set(
        re.findall(r"`(\w+)`", "\n".join(row.split("|")[1] for row in section(10).splitlines() if row[:1] == "|"))
    )
    assert set(steps) == named


def test_what_the_pipeline_says_when_it_stops_is_what_the_page_says() -> None:
    said = section(8)
    for build in BUILDS:
        for step in config(file=build)["steps"]:
            for message in re.findall(r'echo "hark: (?:\$\w+ )?(.*?)[:"]', step["script"]):
                assert message.partition(" ")[0] in said, message
