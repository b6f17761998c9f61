"""Fixtures of the tests with official clients for Node, which `make test-all` installs."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).parent
#: The folder into which `make test-all` installs the packages of `package.json`.
PACKAGES = FOLDER.parents[1] / ".venv/node/node_modules"

#: A method's path, and its arguments.
Step = Sequence[Any]
CallClient = Callable[..., list[Any]]


@pytest.fixture
def call_client() -> CallClient:
    """Return a function that calls methods of an official client, one process per call.

    Its arguments are the client's name, the emulator's origin, the client's options and the steps.
    It returns what each step returned; an error is an object with `error`.
    """
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed")

    def call(client: str, origin: str, options: Mapping[str, Any], *steps: Step) -> list[Any]:
        if not (PACKAGES / client).is_dir():
            pytest.skip(f"the npm package {client} is not installed: run make test-all, with npm")
        request = {"client": client, "origin": origin, "options": options, "steps": steps}
        done = subprocess.run(
            [node, "--no-deprecation", str(FOLDER / "call_client.js")],
            input=json.dumps(request).encode(),
            capture_output=True,
            env={"PATH": os.environ["PATH"], "NODE_PATH": str(PACKAGES)},
            timeout=60,
            check=False,
        )
        lines = [json.loads(line) for line in done.stdout.splitlines()]
        assert len(lines) == len(steps), done.stderr.decode(errors="replace")
        return [line.get("value", line) for line in lines]

    return call
