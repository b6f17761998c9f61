"""Name resolution: one lookup per connection, in a thread that a late caller can leave behind.

The system's resolver cannot be interrupted. Without a thread of its own, a resolver that hangs
would hold a call far beyond its deadline.
"""

from __future__ import annotations

import ipaddress
import socket
import threading

from urllib3.util.connection import allowed_gai_family

from recording_core.forks import renew_in_children

#: How many lookups may run at once; each one that hangs holds a thread.
MAX_LOOKUPS = 32


class _Lookup:
    """One lookup, whose result all threads that need the same name share."""

    def __init__(self) -> None:
        self.done = threading.Event()
        self.addresses: list[str] = []
        self.error: OSError | UnicodeError | None = None


class _Resolver:
    """The lookups that run."""

    def __init__(self) -> None:
        self.renew()
        renew_in_children(self)

    def renew(self) -> None:
        """Begin again, without lookups: a fork copies them and not their threads."""
        self._lock = threading.Lock()
        self._running: dict[tuple[str, int], _Lookup] = {}

    def resolve(self, host: str, port: int, timeout: float | None) -> list[str]:
        """Wait for the lookup of a name, and start it if none runs. See `resolve_addresses`."""
        with self._lock:
            lookup = self._running.get((host, port))
            if lookup is None:
                lookup = self._start(host, port)
        if not lookup.done.wait(timeout):
            raise TimeoutError
        if lookup.error is not None:
            raise type(lookup.error)(*lookup.error.args)
        return lookup.addresses

    def _start(self, host: str, port: int) -> _Lookup:
        if len(self._running) >= MAX_LOOKUPS:
            raise TimeoutError
        lookup = _Lookup()
        arguments = (lookup, host, port)
        thread = threading.Thread(
            target=self._run, args=arguments, name="recording-resolver", daemon=True
        )
        try:
            thread.start()
        except RuntimeError:  # the process cannot start a thread
            raise OSError from None
        self._running[host, port] = lookup
        return lookup

    def _run(self, lookup: _Lookup, host: str, port: int) -> None:
        try:
            lookup.addresses = _look_up(host, port)
        except (OSError, UnicodeError) as error:
            lookup.error = error
        finally:
            with self._lock:  # which the thread that started this one holds until it is registered
                del self._running[host, port]
            lookup.done.set()


_resolver = _Resolver()


def resolve_addresses(host: str, port: int, timeout: float | None) -> list[str]:
    """Resolve a host name to numeric addresses within `timeout` seconds.

    Raises `OSError`: `socket.gaierror` for an unknown name, `TimeoutError` if the resolver does not
    answer in time, or if so many lookups hang that no other may begin. Raises `UnicodeError` for a
    name that cannot be encoded.
    """
    if _is_address(host):
        return _look_up(host, port)  # asks no resolver
    return _resolver.resolve(host, port, timeout)


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return False
    return True


def _look_up(host: str, port: int) -> list[str]:
    # urllib3's function leaves out IPv6 on a machine without it.
    found = socket.getaddrinfo(host.strip("[]"), port, allowed_gai_family(), socket.SOCK_STREAM)
    return [str(address[0]) for *_, address in found]
