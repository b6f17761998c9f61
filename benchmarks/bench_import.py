"""What does starting cost? Imports in processes of their own, net of the interpreter, in turn."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
from pathlib import Path

from measure import Row

#: what is measured -> the command's arguments
WAYS = {
    "python": ["-c", "pass"],
    "requests": ["-c", "import requests"],
    "providers": ["-c", "import recording_core; recording_core.providers()"],
    "connected": [
        "-c",
        "import recording_core; recording_core.connect('plivo', auth_id='MA', auth_token='token')",
    ],
    "help": [str(Path(sys.executable).with_name("recordings")), "--help"],
}
FIGURES = (
    ("providers", "`import recording_core; recording_core.providers()`", 0.9),
    ("connected", "the first connected client", 1.6),
    ("help", "`recordings --help`", 1.2),
)


def took(arguments: list[str]) -> float:
    """A process's processor time, which neighbours move least."""
    # As after an installation: everybody's bytecode is at hand, ours like requests'.
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    process = subprocess.Popen(
        [sys.executable, *arguments], stdout=subprocess.DEVNULL, env=environment
    )
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, arguments)
    return usage.ru_utime + usage.ru_stime


def main(rounds: int = 25) -> list[Row]:
    """The rows of the table."""
    times: dict[str, list[float]] = {name: [] for name in WAYS}
    for number in range(rounds + 1):
        for name, arguments in WAYS.items():
            taken = took(arguments)
            if number:
                times[name].append(taken)
    usual = {name: statistics.median(taken) for name, taken in times.items()}
    rows: list[Row] = []
    for name, what, limit in FIGURES:
        net = (usual[name] - usual["python"]) / (usual["requests"] - usual["python"])
        rows.append(
            (f"{what}, against `import requests`", f"{net:.2f} ×", f"≤ {limit} ×", net <= limit)
        )
    return rows


if __name__ == "__main__":
    for what, measured, wanted, holds in main():
        print(f"{what:90} {measured:>8} {wanted:>14} {'holds' if holds else 'FAILS'}")
