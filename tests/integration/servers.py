"""Functions under functions-framework, as in the cloud, each a process group of its own."""

import os
import subprocess

from emulator.process import Program, die_with_parent


def start(program: Program) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        program.argv,
        env=dict(program.env),
        cwd=program.cwd,
        start_new_session=True,
        preexec_fn=die_with_parent(os.getpid()),  # noqa: PLW1509 - the server is not to outlive a killed pytest
    )
