"""The real gcloud takes every command of docs/deploy.md."""

import itertools
import os
import re
import shlex
import shutil
from pathlib import Path

import pytest

from tests.e2e.stack import ROOT
from tests.integration.deployment import assert_taken

VALUES = {
    "PROJECT": "some-project",
    "REGION": "europe-west1",
    "DOMAIN": "hark.example.com",
    "DATABASE": "(default)",
    "CALLERS_DATABASE": "hark-callers",
    "LOCATION": "europe-west1",
    "BUILD": "1",
}
OF_A_PERSON = ("auth login", "auth application-default")  # these ask at once for a browser


def commands(archive: str) -> list[list[str]]:
    """Each gcloud of the page's shell blocks, with what the shell would have put in."""
    blocks = re.findall(r"^ *```sh\n(.*?)^ *```", (ROOT / "docs" / "deploy.md").read_text(), re.MULTILINE | re.DOTALL)
    text = "\n".join(blocks).replace("\\\n", " ").replace("/tmp/hark.tar.gz", archive)
    text = re.sub(r"\$\((git|terraform) [^)]*\)", lambda match: "abc" if match[1] == "git" else "_REGION=r", text)
    text = text.replace("--data-file=-", f"--data-file={os.devnull}")
    text = re.sub(r"\$\{?(\w+)\}?", lambda match: VALUES.get(match[1], match[0]), text)
    found = []
    for line in text.splitlines():
        for match in re.finditer(r"(\$\()?\bgcloud ", line):
            # To the end of the command: a pipe, or the bracket that closes the one before it.
            end = line.rindex(")") if match[1] else len(line)
            lexer = shlex.shlex(line[match.end() : end], posix=True, punctuation_chars="|")
            lexer.whitespace_split = True
            found.append(list(itertools.takewhile(lambda word: word != "|", lexer)))
    return [words for words in found if not " ".join(words).startswith(OF_A_PERSON)]


@pytest.mark.timeout(240)
def test_gcloud_takes_every_command_of_the_page(tmp_path: Path) -> None:
    found = commands(shutil.make_archive(str(tmp_path / "hark"), "gztar", ROOT / "infra"))
    # Of those that differ by a value alone, one.
    different = {
        tuple(re.sub(r"=.*", "", word) for word in words if word[:1] == "-" or words.index(word) < 3): words
        for words in found
    }
    assert len(different) > 20
    assert_taken(list(different.values()), tmp_path)
