"""Control: HTTP requests that steer a running emulator, for a test in any language."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any
from urllib.parse import unquote

from recording_core.plugins.registry import get_provider_info
from recording_core.testing.emulator.emulator import Emulator
from recording_core.testing.emulator.server import Reply, Request
from recording_core.testing.offset_clock import OffsetClock

#: No vendor's path begins so.
PREFIX = "/_emulator"
_MOST_RECORDINGS = 100_000
_HOSTS = ("127.0.0.1", "localhost", "[::1]")


class Control:
    """The requests below `/_emulator/` at the API's port of an emulator on an `OffsetClock`.

    A page of another site, open in a browser of this machine, cannot use it: requests with an
    `Origin` or with another `Host` than this machine's are refused.

    Args:
        emulator: the emulator
        describe: returns the JSON object that describes how to connect to it
        begin: called after a reset, to begin what was begun after the start
        begun: how many recordings `begin` begins, which the vendor lists, too
    """

    def __init__(
        self,
        emulator: Emulator,
        *,
        describe: Callable[[], Mapping[str, Any]],
        begin: Callable[[], object] = lambda: None,
        begun: int = 0,
    ) -> None:
        self._emulator = emulator
        self._describe = describe
        self._begin = begin
        self._begun = begun
        #: not the emulator's lock: a reset waits for the thread that sends, which needs that one
        self._resets = threading.Lock()
        self._actions: Mapping[tuple[str, str], Callable[[dict[str, Any]], Any]] = {
            ("POST", "reset"): self._reset,
            ("POST", "seed"): self._replace_recordings,
            ("POST", "advance"): self._advance,
            ("POST", "faults"): self._inject,
            ("DELETE", "faults"): self._clear_faults,
            ("GET", "requests"): self._list_requests,
        }
        emulator.serve_control(self.answer)

    @property
    def url(self) -> str:
        """The URL in front of `/reset`, `/advance` and the others."""
        return self._emulator.origin + PREFIX

    def answer(self, request: Request) -> Reply:
        """Answer a request: JSON, or an error with a sentence."""
        if request.header("origin") is not None:
            return _build_error(403, "A page of a browser may not steer the emulator")
        if (request.header("host") or "").rpartition(":")[0] not in _HOSTS:
            return _build_error(403, "The Host header does not name this machine")
        path = request.path.removeprefix(f"{PREFIX}/")
        action = self._actions.get((request.method, path))
        if action is None:
            known = ", ".join(f"{method} {PREFIX}/{name}" for method, name in self._actions)
            return _build_error(404, f"{request.method} {request.path} is none of: {known}")
        try:
            given = request.json_object() if request.body else {}
            if given is None:
                raise ValueError("The body is not a JSON object")
            return Reply.json(action(given))
        except (TypeError, ValueError, OverflowError) as error:
            return _build_error(400, str(error))

    def _reset(self, given: dict[str, Any]) -> Mapping[str, Any]:
        _check_names(given)
        return self._start_again()

    def _replace_recordings(self, given: dict[str, Any]) -> Mapping[str, Any]:
        _check_names(given, "recordings", "seed")
        recordings, seed = given.get("recordings"), given.get("seed")
        if recordings is not None:
            recordings = _check_integer(recordings, "recordings", 0, _MOST_RECORDINGS)
            recordings = max(0, recordings - self._begun)
        if seed is not None:
            seed = _check_integer(seed, "seed", -(2**63), 2**63)
        return self._start_again(recordings=recordings, seed=seed)

    def _start_again(self, **changes: int | None) -> Mapping[str, Any]:
        with self._resets:
            if isinstance(self._emulator.clock, OffsetClock):
                self._emulator.clock.reset()
            Emulator.reset(self._emulator, **changes)
            self._begin()
            return self._describe()

    def _advance(self, given: dict[str, Any]) -> Mapping[str, Any]:
        _check_names(given, "seconds")
        seconds = given.get("seconds")
        if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not seconds >= 0:
            raise ValueError("seconds must be a number of at least 0")
        with self._emulator.lock:
            self._emulator.advance(timedelta(seconds=seconds))
            return {"now": self._emulator.clock.now().isoformat()}

    def _inject(self, given: dict[str, Any]) -> Mapping[str, Any]:
        figures = dict(given)
        name = figures.pop("name", None)
        Emulator.inject(self._emulator, str(name), **figures)
        return self._describe_faults()

    def _clear_faults(self, given: dict[str, Any]) -> Mapping[str, Any]:
        _check_names(given)
        Emulator.clear_faults(self._emulator)
        return self._describe_faults()

    def _describe_faults(self) -> Mapping[str, Any]:
        return {"faults": Emulator.list_faults(self._emulator)}

    def _list_requests(self, given: dict[str, Any]) -> Mapping[str, Any]:
        _check_names(given)
        emulator = self._emulator
        settings = get_provider_info(emulator.provider).settings
        secrets = [
            emulator.credentials[each.name]
            for each in settings
            if each.secret and emulator.credentials.get(each.name)
        ]
        with emulator.lock:
            entries = list(emulator.journal)
        return {
            "requests": [
                {
                    "method": each.request.method,
                    "path": _mask(each.request.path, secrets),
                    "port": each.port,
                    "status": each.status,
                    "at": each.at and each.at.isoformat(),
                }
                for each in entries
            ]
        }


def _mask(path: str, secrets: list[str]) -> str:
    for secret in secrets:
        if secret in (decoded := unquote(path)):
            path = decoded
        path = path.replace(secret, "***")
    return path


def _check_names(given: Mapping[str, Any], *names: str) -> None:
    if unknown := sorted(set(given) - set(names)):
        raise ValueError(f"{', '.join(unknown)}: only {', '.join(names) or 'no name'} may be given")


def _check_integer(value: Any, name: str, least: int, most: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise ValueError(f"{name} must be a whole number from {least} to {most}")
    return value


def _build_error(status: int, text: str) -> Reply:
    return Reply.json({"error": text}, status)
