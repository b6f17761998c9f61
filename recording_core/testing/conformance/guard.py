"""Connection guard: during a test, no connection goes anywhere but to the emulator's ports.

An audit hook of the interpreter sees each connection, name resolution and new process, by any
library and in any thread. It is installed once per process, since Python cannot remove one, and
does nothing outside of a guarded test.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from threading import Thread, current_thread
from types import FrameType
from typing import Any
from urllib.parse import urlsplit

from recording_core.plugins.registry import get_provider_info
from recording_core.testing.emulator.emulator import Emulator

REQUIREMENT = (
    "a provider connects to its API and its vendor's media, and to nothing else; it writes no "
    "files, sets no variables of the environment and opens no server"
)

#: The events of a connection, and how to read its address from their arguments.
_CONNECTIONS: Mapping[str, Callable[[tuple[Any, ...]], Any]] = {
    "socket.connect": lambda args: args[1],
    "socket.sendto": lambda args: args[1],
    "socket.sendmsg": lambda args: args[1],
    # A name can contain a secret, which its resolution sends to name servers.
    "socket.getaddrinfo": lambda args: (args[0], None),
    "socket.gethostbyname": lambda args: (args[0], None),
    "socket.gethostbyaddr": lambda args: (args[0], None),
    "socket.getnameinfo": lambda args: (args[0][0], None),
}
#: The events of another process, which the hook cannot follow.
_PROCESSES = {"subprocess.Popen"} | {
    f"os.{each}" for each in ("system", "exec", "posix_spawn", "spawn", "fork", "forkpty")
}
#: The events that leave a trace outside of the process or its memory.
_TRACES = {"socket.bind", "os.putenv", "open"}
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_APPEND
_THREADS = {"_thread.start_new_thread", "_thread.start_joinable_thread"}
_EVENTS = {*_CONNECTIONS, *_PROCESSES, *_THREADS, *_TRACES}
#: Modules of the emulator, which sends the webhooks.
_SERVERS = (
    "recording_core.testing.emulator.server",
    "recording_core.testing.emulator.deliveries",
)
_CORE = "recording_core"
_LOCAL = "localhost"
#: Longer labels of a host are not shown: a secret could be one.
_LONGEST_LABEL = 20
#: In seconds of real time: how long threads of the provider may take to end after a test.
_SETTLING = 3.0


class ForbiddenConnection(BaseException):  # no handler of `Exception` may hide it
    """The provider connects to another host or port, or starts a process."""


class ConnectionGuard:
    """What a test may connect to, and the connections that it may not make."""

    def __init__(self, emulator: Emulator) -> None:
        client = get_provider_info(emulator.provider).client
        self._package = client.partition(":")[0].partition(".")[0]
        self._emulator = type(emulator).__module__
        #: the only directory in which the provider may write, while traces are forbidden
        self._directory: Path | None = None
        self._ports: set[int] = set()
        self._threads: list[Thread] = []
        #: sentences about forbidden connections, oldest first
        self._found: list[str] = []
        self.allow(emulator.origin, emulator.media_origin)

    def allow(self, *origins: str) -> None:
        """Allow connections to these ports of loopback, which the suite itself opened."""
        self._ports |= {port for each in origins if (port := urlsplit(each).port) is not None}

    def check(self) -> None:
        """Wait for the provider's threads, and require that no connection went elsewhere."""
        limit = time.monotonic() + _SETTLING
        for thread in self._threads:
            while _is_busy(thread) and time.monotonic() < limit:
                thread.join(0.01)
        found, self._found = list(dict.fromkeys(self._found)), []
        assert not found, f"{'; '.join(found)}. The requirement: {REQUIREMENT}"

    @contextmanager
    def forbid_traces(self, directory: Path) -> Iterator[None]:
        """Forbid the provider to write files elsewhere, to set variables and to open servers."""
        self._directory = directory
        try:
            yield
        finally:
            self._directory = None

    def inspect_event(self, event: str, args: tuple[Any, ...]) -> None:
        """Record a forbidden event, and raise in the function that causes it."""
        if event in _TRACES:
            if self._directory is None or not self._is_trace(event, args, self._directory):
                return
            what = f"the event {event}"
        elif event in _CONNECTIONS:
            address = _CONNECTIONS[event](args)
            if address is None or self._is_allowed(address):
                return
            what = f"{event} to {_format_address(address)}"
        elif event in _PROCESSES:
            what = f"{event} of {_name_program(args)}"
        else:
            self._log_thread(args[0])
            return
        frames = list(_walk_frames(sys._getframe(1)))
        if any(each.f_globals.get("__name__") in _SERVERS for each in frames):
            return  # the emulator delivers webhooks to the application
        message = f"{self._name_function(frames)} caused {what}"
        self._found.append(message)
        raise ForbiddenConnection(f"{message}. The requirement: {REQUIREMENT}")

    def _log_thread(self, function: Any) -> None:
        """Log a new thread if it is the provider's own, and not the library's."""
        for frame in _walk_frames(sys._getframe(1)):
            owner = _find_package(frame)
            if owner == self._package and isinstance(thread := function.__self__, Thread):
                self._threads.append(thread)
            if owner in (self._package, _CORE):
                return

    def _is_trace(self, event: str, args: tuple[Any, ...], directory: Path) -> bool:
        """Whether the provider's own code, and not the emulator or an import, leaves a trace."""
        if event == "open":
            is_file = isinstance(args[0], str | bytes) and args[0] != os.devnull
            if not is_file or not args[2] & _WRITING:
                return False
            if Path(os.fsdecode(args[0])).resolve().is_relative_to(directory.resolve()):
                return False
        frames = [*_walk_frames(sys._getframe(3))]
        if any(each.f_globals.get("__name__") in (*_SERVERS, self._emulator) for each in frames):
            return False
        owners = (self._package, _CORE, "importlib", "_frozen_importlib", "_pytest")
        owner = next((each for each in map(_find_package, frames) if each in owners), None)
        return owner == self._package

    def _is_allowed(self, address: Any) -> bool:
        if not isinstance(address, tuple):
            return False
        host, port = _read_host(address[0]), address[1]
        is_local = host == _LOCAL if isinstance(host, str) else host.is_loopback
        return is_local and (port is None or port in self._ports)

    def _name_function(self, frames: list[FrameType]) -> str:
        """Name the provider's innermost function on the stack, else the test's thread."""
        for frame in frames:
            if _find_package(frame) == self._package:
                return f"{frame.f_globals['__name__']}, {frame.f_code.co_qualname}"
        return f"the thread {current_thread().name}, without {self._package} on its stack"


_guard: ConnectionGuard | None = None


def _watch(event: str, args: tuple[Any, ...]) -> None:
    if _guard is not None and event in _EVENTS:
        _guard.inspect_event(event, args)


@cache
def _install_hook() -> None:
    sys.addaudithook(_watch)


@contextmanager
def guard_connections(emulator: Emulator) -> Iterator[ConnectionGuard]:
    """Forbid connections to anything but the emulator inside a `with` block.

    A forbidden one raises at once, and again on leaving, if the provider hides it.
    """
    global _guard
    _install_hook()
    before, guard = _guard, ConnectionGuard(emulator)
    _guard = guard
    try:
        yield guard
        guard.check()
    finally:
        _guard = before


def _walk_frames(frame: FrameType | None) -> Iterator[FrameType]:
    while frame is not None:
        yield frame
        frame = frame.f_back


def _find_package(frame: FrameType) -> str:
    """Return the package whose function a frame belongs to."""
    return str(frame.f_globals.get("__name__", "")).partition(".")[0]


def _is_busy(thread: Thread) -> bool:
    """Whether a thread still runs, and does not only wait for work as one of an executor."""
    frame = sys._current_frames().get(thread.ident or 0)
    is_idle = frame is not None and frame.f_globals.get("__name__") == "concurrent.futures.thread"
    return thread.is_alive() and not is_idle


def _read_host(host: Any) -> str | IPv4Address | IPv6Address:
    text = host.decode("latin-1") if isinstance(host, bytes | bytearray) else str(host or _LOCAL)
    try:
        return ip_address(text)
    except ValueError:
        return text


def _format_address(address: Any) -> str:
    """Format an address, without the labels of a host that could be secrets."""
    if not isinstance(address, tuple):
        return "a socket of another process"
    labels = str(_read_host(address[0])).split(".")
    host = ".".join(each if len(each) <= _LONGEST_LABEL else "***" for each in labels)
    return host if address[1] is None else f"{host}, port {address[1]}"


def _name_program(args: tuple[Any, ...]) -> str:
    """Return the name of a program, without its arguments."""
    command = next(iter(args), None) or "this process"
    if isinstance(command, list | tuple):
        command = command[0]
    if isinstance(command, bytes):
        command = command.decode("latin-1")
    return Path(str(command).split()[0]).name
