"""The builds' steps: which runs as whom, with what, on what, and that only what was tested is deployed."""

import ast
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.stack import ROOT
from tests.integration.deployment import (
    BUILDS,
    config,
    copy,
    gcloud,
    gcloud_version,
    pinned_gcloud,
    run_step,
    step_of,
    without_account,
)
from tests.integration.functions_api import functions_api

DIGEST = re.compile(r"python:3\.11\.\d+-bookworm@sha256:[0-9a-f]{64}")
TESTER = "hark-tester@some-project.iam.gserviceaccount.com"
TESTED = [
    ("SUCCESS", ["hark-test-abc1234"], True),
    ("FAILURE", ["hark-test-abc1234"], False),
    ("SUCCESS", ["hark-test-abc1235"], False),
    ("SUCCESS", [], False),
]
GOOGLE = {
    "curl": "echo a key",
    "gpg": 'cat >"${@: -1}"',
    "apt-get": """
        case "$*" in *" update") exit;; esac
        for package in "$@"; do
            case "$package" in
                *"$LACKS"*) exit 100;;
                google-cloud-cli*=*) ;;
                *) continue;;
            esac
            echo "$package" >>"$SAID"
            name=${package%%=*}
            mkdir -p "$name/DEBIAN" "$name/usr/share/$name"
            control="Package: $name/Version: ${package#*=}/Architecture: all/Maintainer: nobody/Description: none"
            tr / '\\n' <<<"$control" >"$name/DEBIAN/control"
            if [ "$name" = google-cloud-cli ]; then
                mkdir -p "$name/usr/lib/google-cloud-sdk/bin"
                printf '#!/bin/sh\\necho the packaged one\\n' >"$name/usr/lib/google-cloud-sdk/bin/gcloud"
                chmod +x "$name/usr/lib/google-cloud-sdk/bin/gcloud"
            fi
            dpkg-deb --build "$name" "$name.deb" >/dev/null
        done
    """,
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return copy(tmp_path)


def test_only_what_has_passed_its_tests_is_deployed_and_then_tried_and_each_step_stops_where_it_fails() -> None:
    assert [step["id"] for step in config(file="cloudbuild-test.yaml")["steps"]] == ["test"]
    assert [step["id"] for step in config()["steps"]] == ["tools", "tested", "deploy", "smoke-test"]
    for step in (step for name in BUILDS for step in config(file=name)["steps"]):
        # No allowFailure, and no waitFor: one after the other.
        assert {"id", "name", "script"} <= set(step) <= {"id", "name", "script", "env", "volumes"}
        assert "set -euo pipefail\n" in step["script"]


def test_the_builds_run_on_an_image_that_stays() -> None:
    """One that its digest names; those with gcloud in them are deleted after a year."""
    (image,) = {step["name"] for name in BUILDS for step in config(file=name)["steps"]}
    assert DIGEST.fullmatch(image)


def test_what_is_tested_runs_as_an_account_that_deploys_nothing_and_nothing_of_it_where_it_may() -> None:
    accounts = {name: config(file=name)["serviceAccount"].rpartition("/")[2] for name in BUILDS}
    assert accounts == {
        "cloudbuild-test.yaml": "${_NAME}-tester@$PROJECT_ID.iam.gserviceaccount.com",
        "cloudbuild.yaml": "${_NAME}-deployer@$PROJECT_ID.iam.gserviceaccount.com",
    }
    (test,) = config(file="cloudbuild-test.yaml")["steps"]
    assert ".ci/run" in test["script"]
    for step in config()["steps"]:
        assert not re.search(r"\.ci/run|^ *make |pytest|requirements-dev", step["script"], re.MULTILINE), step["id"]
        for line in (line for line in step["script"].splitlines() if "pip" in line and "install" in line):
            # A wheel's files run when they are imported; a source's at once.
            assert {"--only-binary=:all:", "--no-deps", "--require-hashes"} <= set(line.split())


def test_the_deployer_installs_pyyaml_alone_by_its_hashes(tmp_path: Path) -> None:
    (command,) = re.findall(r"^ *(sed .*) >/tools/requirements.txt$", step_of(ROOT, "tools")[0], re.MULTILINE)
    done = subprocess.run(shlex.split(command), cwd=ROOT, capture_output=True, text=True, check=True)
    assert re.findall(r"^[^ #].*==", done.stdout, re.MULTILINE) == ["pyyaml=="]
    assert done.stdout.count("--hash=sha256:") > 10
    assert not done.stdout.rstrip().endswith("\\")
    imported = {name for file in ("deploy.py", "smoke.py") for name in top_level_imports(ROOT / "infra" / file)}
    assert imported - set(sys.stdlib_module_names) == {"yaml"}


def top_level_imports(file: Path) -> set[str]:
    """The first words of what it imports, wherever in the file."""
    nodes = list(ast.walk(ast.parse(file.read_text())))
    names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)}
    return {name.partition(".")[0] for name in names}


@pytest.mark.parametrize(
    ("builds", "deploys"),
    [
        (TESTER, True),
        (f"other@some-project.iam.gserviceaccount.com\n{TESTER}", True),
        ("", False),
        ("hark-deployer@some-project.iam.gserviceaccount.com", False),
        (f"x{TESTER}", False),
        (TESTER.replace("hark-tester", "harkXtester"), False),
    ],
)
def test_a_commit_counts_as_tested_when_the_tester_says_so(root: Path, builds: str, deploys: bool) -> None:
    done, calls = run_step(root, "tested", builds=builds)
    assert (done.returncode == 0) == deploys
    assert ("abc1234 has passed no test here" in done.stderr) != deploys
    ((*_, filter_, _),) = calls
    assert filter_ == "--filter=tags=hark-test-abc1234 AND status=SUCCESS"
    assert config(file="cloudbuild-test.yaml")["tags"] == ["$_NAME-test-$SHORT_SHA"]


def test_a_commit_is_not_deployed_when_nobody_can_say_whether_it_was_tested(root: Path) -> None:
    done, _ = run_step(root, "tested", builds=TESTER, failing="list")
    assert done.returncode == 1


@pytest.mark.timeout(120)
@pytest.mark.parametrize(("status", "tags", "deploys"), TESTED)
def test_gcloud_finds_the_build_that_passed(
    root: Path, tmp_path_factory: pytest.TempPathFactory, status: str, tags: list[str], deploys: bool
) -> None:
    gcloud()
    folder = tmp_path_factory.mktemp("gcloud")
    account = f"projects/some-project/serviceAccounts/{TESTER}"
    with functions_api() as api:
        api.builds.append({"id": "1", "status": status, "tags": tags, "serviceAccount": account})
        done, _ = run_step(root, "tested", real={**without_account(folder), **api.environment(folder)})
    assert (done.returncode == 0) == deploys, done.stderr
    assert ("has passed no test here" in done.stderr) != deploys


@pytest.mark.parametrize("name", BUILDS)
def test_each_step_has_what_it_needs_and_nothing_besides(name: str) -> None:
    build = config(file=name)
    assert "env" not in build["options"]
    for step in build["steps"]:
        given = {variable.partition("=")[0] for variable in step.get("env", [])}
        used = set(re.findall(r"\$\{?([A-Z_]+)", step["script"])) | (
            {"HARK_URL"} if "smoke.py" in step["script"] else set()
        )
        made = set(re.findall(r"^ *(?:export )?([A-Z_]+)=", step["script"], re.MULTILINE))
        assert given == used - made - {"PATH"}, step["id"]
    values = {
        value for step in build["steps"] for variable in step.get("env", []) for value in [variable.partition("=")[2]]
    }
    known = {"$PROJECT_ID", "$LOCATION", "$SHORT_SHA"} | {f"${substitution}" for substitution in build["substitutions"]}
    assert values <= known
    # Cloud Build refuses a substitution that a build does not use.
    assert {f"${s}" for s in build["substitutions"]} <= values | {"$_NAME"}


@pytest.mark.parametrize(("value", "runs"), [("false", ".ci/run"), ("true", ".ci/run --roll-back"), ("", ".ci/run")])
def test_a_way_back_is_not_stopped_by_what_was_found_since(value: str, runs: str, tmp_path: Path) -> None:
    """The step's last line, with a stand-in for CI. What `--roll-back` does: tests/unit/infra/test_audit.py."""
    (tmp_path / ".ci").mkdir()
    (tmp_path / ".ci" / "run").write_text('#!/bin/sh\necho "$0" "$@"\n')
    (tmp_path / ".ci" / "run").chmod(0o755)
    script, environ = step_of(ROOT, "test", {"_ROLL_BACK": value})
    last = script.rstrip().rpartition("\n")[2]
    done = subprocess.run(["bash", "-euc", last], cwd=tmp_path, env=environ, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == runs


def test_gcloud_is_put_in_from_packages_of_one_version(tmp_path: Path) -> None:
    """.ci/gcloud, with stand-ins for what reaches the network; the real dpkg unpacks packages that are made here."""
    bin_ = tmp_path / "bin"
    bin_.mkdir()
    for name, script in GOOGLE.items():
        (bin_ / name).write_text(f"#!/bin/bash\nset -eu\n{script}\n")
        (bin_ / name).chmod(0o755)
    environ = {"PATH": f"{bin_}:{os.environ['PATH']}", "SAID": str(tmp_path / "said"), "LACKS": "spanner-emulator"}

    def put(*components: str) -> "subprocess.CompletedProcess[str]":
        command = [str(ROOT / ".ci" / "gcloud"), str(tmp_path / "tools"), *components]
        return subprocess.run(command, env=environ, capture_output=True, text=True, timeout=60, check=False)

    done = put("pubsub-emulator", "firestore-emulator")
    assert done.returncode == 0, done.stderr
    asked_for = (tmp_path / "said").read_text().split()
    version = f"={pinned_gcloud()}-0"
    names = ("google-cloud-cli", "google-cloud-cli-pubsub-emulator", "google-cloud-cli-firestore-emulator")
    assert asked_for == [name + version for name in names]
    said = subprocess.run([tmp_path / "tools" / "bin" / "gcloud"], capture_output=True, text=True, check=True)
    assert said.stdout == "the packaged one\n"
    assert len(list((tmp_path / "tools" / "usr" / "share").iterdir())) == 3
    lacking = put("spanner-emulator")
    assert lacking.returncode == 1
    assert "Google's repository has no google-cloud-cli" in lacking.stderr


def test_the_commands_are_checked_with_the_gcloud_that_the_builds_have() -> None:
    gcloud()
    assert gcloud_version() == pinned_gcloud(), "check all commands with this one, then set VERSION in .ci/gcloud to it"
