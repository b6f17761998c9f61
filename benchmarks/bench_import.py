"""Import time: imports in separate processes, in turn, without the interpreter's own start."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from timing import BenchmarkRow

#: name -> the arguments of the interpreter
COMMANDS = {
    "python": ["-c", "pass"],
    "requests": ["-c", "import requests"],
    "providers": ["-c", "import recording_core; recording_core.providers()"],
    "connected": [
        "-c",
        "import recording_core; recording_core.connect('plivo', auth_id='MA', auth_token='token')",
    ],
    "help": [str(Path(sys.executable).with_name("recordings")), "--help"],
}
LIMITS = (
    ("providers", "`import recording_core; recording_core.providers()`", 0.9),
    ("connected", "the first connected client", 1.6),
    ("help", "`recordings --help`", 1.2),
)


def measure_process(arguments: list[str]) -> float:
    """Measure a process in seconds of processor time, which other processes affect least."""
    # As after an installation: the bytecode of all packages is compiled.
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    process = subprocess.Popen(
        [sys.executable, *arguments], stdout=subprocess.DEVNULL, env=environment
    )
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, arguments)
    return usage.ru_utime + usage.ru_stime


def main(rounds: int = 50) -> list[BenchmarkRow]:
    """Run the benchmark and return the rows of its table."""
    times: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for number in range(rounds + 1):
        for name, arguments in COMMANDS.items():
            duration = measure_process(arguments)
            if number:
                times[name].append(duration)
    # What disturbs a process only lengthens it: of many, the shortest is the most repeatable.
    shortest = {name: min(durations) for name, durations in times.items()}
    rows: list[BenchmarkRow] = []
    for name, what, limit in LIMITS:
        net = (shortest[name] - shortest["python"]) / (shortest["requests"] - shortest["python"])
        rows.append(
            (f"{what}, against `import requests`", f"{net:.2f} ×", f"≤ {limit} ×", net <= limit)
        )
    return rows


if __name__ == "__main__":
    for what, value, limit, ok in main():
        print(f"{what:90} {value:>8} {limit:>14} {'ok' if ok else 'FAILED'}")
