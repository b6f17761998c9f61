"""The stores of the archive tests: five S3 servers, SFTP, memory and a disk, started on demand."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path

import pytest
from attrs import frozen

from recording_audian.emulator import AudianEmulator

KEY, SECRET = "AKIA-of-the-store", "s3cr3t-of-the-store"
BUCKET = "archive"
#: The seconds within which a server must start; on a busy machine they take many.
LONGEST = 40.0
BIN = Path(sys.executable).parent

#: kind of store -> the command of its server. `{port}` and `{data}`, an empty folder, are replaced.
SERVERS: dict[str, Sequence[str]] = {
    "moto": ("moto_server", "-H", "127.0.0.1", "-p", "{port}"),
    "localbucket": ("localbucket", "--port", "{port}", "{data}"),
    "rclone": (
        "rclone", "serve", "s3", "{data}", "--addr", "127.0.0.1:{port}",
        "--auth-key", f"{KEY},{SECRET}",
    ),
    "nanio": (
        "nanio", "serve", "--data-dir", "{data}", "--host", "127.0.0.1", "--port", "{port}",
        "--no-access-log",
    ),
    "sftp": (
        "rclone", "serve", "sftp", "{data}", "--addr", "127.0.0.1:{port}",
        "--user", KEY, "--pass", SECRET,
    ),
}  # fmt: skip
S3_KINDS = ("moto", "localbucket", "rclone", "nanio")
KINDS = ("disk", "memory", *S3_KINDS, "sftp")


@frozen
class Store:
    """A place for archives: `url` is that of a new folder."""

    kind: str
    url: str
    #: that of the S3 server
    endpoint: str | None = None


@pytest.fixture(autouse=True)
def s3_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Configure S3 as users do, by environment variables; a failed request is not repeated."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))


class Servers:
    """The servers, each of which is started when it is needed."""

    def __init__(self, folder: Callable[[str], Path]) -> None:
        self._create_folder = folder
        self._ports: dict[str, int] = {}
        self.processes: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, kind: str) -> int:
        """Start the server of a kind, unless it runs, and return its port."""
        if kind not in self._ports:
            data = self._create_folder(kind)
            (data / BUCKET).mkdir()
            self._ports[kind] = port = find_free_port()
            program, *options = SERVERS[kind]
            command = [each.format(port=port, data=data) for each in options]
            settings = {"NANIO_ACCESS_KEY": KEY, "NANIO_SECRET_KEY": SECRET}
            self.processes[kind] = process = subprocess.Popen(
                (BIN / program, *command),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env={**os.environ, **settings, "RCLONE_CONFIG": str(data.with_suffix(".conf"))},
            )
            wait_for_port(process, port)
        return self._ports[kind]

    def close(self) -> None:
        for process in self.processes.values():
            process.kill()
            process.wait(20)


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    with closing(Servers(tmp_path_factory.mktemp)) as servers:
        yield servers


@pytest.fixture
def open_store(
    servers: Servers, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Callable[[str], Store]:
    """`open_store(kind)`: a store with an empty folder, and S3 settings that lead there."""

    def open_kind(kind: str) -> Store:
        name = os.urandom(4).hex()
        if kind == "disk":
            return Store(kind, str(tmp_path / name))
        if kind == "memory":
            return Store(kind, f"memory://{name}")
        port = servers.start(kind)
        if kind == "sftp":
            return Store(kind, f"sftp://{KEY}:{SECRET}@127.0.0.1:{port}/{BUCKET}/{name}")
        endpoint = f"http://127.0.0.1:{port}"
        monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
        if kind == "moto":
            create_bucket()
        return Store(kind, f"s3://{BUCKET}/{name}", endpoint)

    return open_kind


@pytest.fixture
def emulator() -> Iterator[AudianEmulator]:
    """An emulator with four recordings with media, and one that has failed."""
    with AudianEmulator(recordings=5) as emulator:
        yield emulator


def create_bucket() -> None:
    import s3fs

    s3fs.S3FileSystem(skip_instance_cache=True).makedirs(BUCKET, exist_ok=True)


def find_free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


def wait_for_port(process: subprocess.Popen[bytes], port: int) -> None:
    end = time.monotonic() + LONGEST
    while process.poll() is None and time.monotonic() < end:
        try:
            socket.create_connection(("127.0.0.1", port), 1.0).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError(f"{process.args!r} does not listen: {process.poll()}")
