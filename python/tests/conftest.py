"""The wheel in an empty environment, where nothing may be fetched.

`cargo xtask test python` builds the wheel and names its directory in SHARDWISE_WHEELS.
"""

import os
import subprocess
import sys

import pytest

COMMAND_WITHIN_S = 60


class Installed:
    """A Python with the wheel and nothing else, and what its programs have as environment."""

    def __init__(self, directory):
        self.bin = directory / "bin"
        # No variable of whoever runs the tests: PYTHONPATH or AWS_PROFILE would be a way out.
        self.environment = {"PATH": f"{self.bin}:{os.environ['PATH']}", "HOME": str(directory)}

    def run(self, program, *arguments, **environment):
        return subprocess.run(
            [self.bin / program, *arguments],
            env={**self.environment, **environment},
            capture_output=True,
            text=True,
            timeout=COMMAND_WITHIN_S,
        )


@pytest.fixture(scope="session")
def installed(tmp_path_factory):
    directory = tmp_path_factory.mktemp("venv")
    # Without a pip of its own, whose installation takes longer than all tests.
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", directory], check=True)
    pip = [sys.executable, "-m", "pip", "--python", directory, "--disable-pip-version-check"]
    wheels = os.environ["SHARDWISE_WHEELS"]
    offline = ["install", "--quiet", "--no-index", f"--find-links={wheels}"]
    subprocess.run([*pip, *offline, "shardwise"], check=True)
    return Installed(directory)
