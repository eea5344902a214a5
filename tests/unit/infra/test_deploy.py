"""infra/deploy.py: what it tries again, for how long, and how much at the same time."""

import subprocess
import threading
from argparse import Namespace
from collections.abc import Iterator

import pytest

from infra import deploy
from infra.deploy import PAUSES, Function, deploy_all, patiently

Done = subprocess.CompletedProcess[str]

# As gcloud and Google's APIs word them; public reports have each.
SPREADING = [
    "ERROR: (gcloud.functions.deploy) ResponseError: status=[403], code=[Ok], message=[Permission 'iam.serviceaccounts."
    "actAs' denied on service account hark-email@p.iam.gserviceaccount.com (or it may not exist).]",
    "ERROR: (gcloud.functions.deploy) PERMISSION_DENIED: The caller does not have permission",
    "Service account projects/-/serviceAccounts/hark-email@p.iam.gserviceaccount.com was not found.",
    "ERROR: Build failed: the service account running this build does not have permission to write logs",
    "artifactregistry.repositories.downloadArtifacts denied: missing permission on the repository",
    "Cloud Run Admin API has not been used in project 1 before or it is disabled.",
    "Invalid build: Service account hark-builder@p.iam.gserviceaccount.com does not exist.",
]
LASTING = [
    "ERROR: (gcloud.functions.deploy) argument --memory: Bad value",
    "Max instances must be set to 10 or fewer to set the requested total CPU.\nQuota violated:\nCpuAlloc",
    "ERROR: Build failed with status: FAILURE and message: pip has failed",
    "Container Healthcheck failed. The user-provided container failed to start",
    "",
]


class Gcloud:
    """Answers each call with the next of these errors, then with success."""

    def __init__(self, *errors: str) -> None:
        self.errors: Iterator[str] = iter(errors)
        self.calls = 0

    def __call__(self) -> Done:
        self.calls += 1
        error = next(self.errors, None)
        return Done([], 0 if error is None else 1, "", "" if error is None else error)


@pytest.mark.parametrize("error", SPREADING)
def test_what_a_right_that_spreads_may_mend_is_tried_again(error: str) -> None:
    gcloud, pauses = Gcloud(error, error), list[float]()
    done, said = patiently(gcloud, pauses.append)
    assert (done.returncode, gcloud.calls) == (0, 3)
    assert pauses == list(PAUSES[:2])
    assert said.count(error) == 2


@pytest.mark.parametrize("error", LASTING)
def test_what_time_does_not_mend_is_said_at_once(error: str) -> None:
    gcloud, pauses = Gcloud(error, error), list[float]()
    done, said = patiently(gcloud, pauses.append)
    assert (done.returncode, gcloud.calls, pauses) == (1, 1, [])
    assert said == error


def test_it_ends_and_outlasts_what_google_says_it_takes() -> None:
    gcloud, pauses = Gcloud(*SPREADING * 9), list[float]()
    done, _ = patiently(gcloud, pauses.append)
    assert (done.returncode, gcloud.calls) == (1, len(PAUSES) + 1)
    assert 7 * 60 < sum(pauses) < 10 * 60


@pytest.mark.parametrize("parallel", [1, 2])
def test_no_more_is_built_at_the_same_time_than_the_project_may(parallel: int, monkeypatch: pytest.MonkeyPatch) -> None:
    running, most, lock = 0, 0, threading.Lock()
    together = threading.Barrier(parallel)

    def deployed(*_: object) -> tuple[int, str]:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        together.wait(10)  # as many as may
        with lock:
            running -= 1
        return 0, ""

    monkeypatch.setattr(deploy, "functions", lambda _: [Function(f"f{n}", {}) for n in range(6)])
    monkeypatch.setattr(deploy, "deploy", deployed)
    assert deploy_all(Namespace(name="hark", parallel=parallel)) == []
    assert most == parallel
