"""Do credentials and signed URLs stay where they belong, in errors, logs and reprs too?"""

from __future__ import annotations

import base64
import copy
import logging
import pickle
import traceback
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote

import pytest

from recording_core import Operation, Provider, Recording, RecordingError
from recording_core.testing.conformance.base import (
    ONCE,
    ConformanceBase,
    advance,
    carrying,
    horizon,
    promising,
)
from recording_core.testing.emulator.emulator import Emulator
from recording_core.testing.emulator.server import Reply

__all__ = ["SecrecyRequirements"]

#: Shorter values of a query, such as a version or a duration, are no signature.
_SIGNATURE = 20


class SecrecyRequirements(ConformanceBase):
    """What may be shown to anybody who reads logs, tickets and tracebacks."""

    def test_no_error_and_no_log_shows_a_credential(
        self, emulator: Emulator, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.DEBUG)
        secrets = dict(_secrets(emulator))
        with emulator.connect(http=ONCE) as provider:
            for verb, ask in self._everything(provider, emulator, tmp_path).items():
                for what, reply in _tell_tales(emulator):
                    with promising(f"{verb}, answered by {what}: its error shows no credential"):
                        emulator.faults.append(reply)
                        emulator.media_faults.append(reply)
                        try:
                            ask()
                        except RecordingError as error:
                            _hides(secrets, _shown(error), f"a {type(error).__name__}")
                        emulator.faults.clear()
                        emulator.media_faults.clear()
        _hides(secrets, _logged(caplog), "the log")

    def test_no_error_and_no_log_shows_a_signed_url(
        self,
        provider: Provider,
        emulator: Emulator,
        tmp_path: Path,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        if not (provider.can(Operation.LIST) and provider.can(Operation.DOWNLOAD)):
            pytest.skip("list and download are not both declared")
        caplog.set_level(logging.DEBUG)
        recordings = [each for each in provider.list(**horizon(emulator)) if each.files]
        signatures = dict(_signatures(recordings))
        if not signatures:
            pytest.skip("this vendor signs no media URL")
        for recording in recordings:
            try:
                provider.download(recording, tmp_path)
                emulator.media_faults.extend([Reply(403, b"<Error>")] * 9)
                provider.download(recording, tmp_path)
            except RecordingError as error:
                _hides(signatures, _shown(error), f"a {type(error).__name__}")
            emulator.media_faults.clear()
            _hides(signatures, repr(recording), "repr(recording)")
        _hides(signatures, _logged(caplog), "the log")

    def test_no_repr_shows_a_credential(self, provider: Provider, emulator: Emulator) -> None:
        secrets = dict(_secrets(emulator))
        shown: list[Any] = [provider, provider.info, provider.transport, provider.media]
        shown += [*vars(provider).values(), *vars(provider.transport).values()]
        if provider.can(Operation.LIST):
            listing = provider.list(**horizon(emulator))
            shown += [listing, *listing, listing.coverage]
        if provider.can(Operation.START):
            for target in carrying(emulator, provider.info, Operation.START):
                shown += [self.begin(provider, target), provider.record(target)]
        for value in shown:
            with promising(f"repr and str of a {type(value).__name__} show no credential"):
                _hides(secrets, f"{value!r} {value}", f"a {type(value).__name__}")

    def test_a_provider_is_not_pickled(self, provider: Provider) -> None:
        for way, carry in (("pickle", pickle.dumps), ("copy", copy.deepcopy)):
            with promising(f"{way} of a provider is refused"), pytest.raises(TypeError):
                carry(provider)

    def test_no_credential_reaches_the_media_host(
        self, provider: Provider, emulator: Emulator, tmp_path: Path
    ) -> None:
        if not (provider.can(Operation.LIST) and provider.can(Operation.DOWNLOAD)):
            pytest.skip("list and download are not both declared")
        for recording in list(provider.list(**horizon(emulator)))[:12]:
            for fault in (None, Reply(401), Reply(307, headers={"Location": "/elsewhere"})):
                if fault is not None:
                    emulator.media_faults.append(fault)
                try:
                    provider.download(recording, tmp_path)
                except RecordingError:
                    pass  # what it asked for counts
        assert emulator.requests("media"), "no media was asked for at all"
        self._media_saw_nothing(emulator)

    def test_no_credential_follows_a_redirect(self, emulator: Emulator, tmp_path: Path) -> None:
        with emulator.connect(http=ONCE) as provider:
            for verb, ask in self._everything(provider, emulator, tmp_path).items():
                for status in (301, 302, 303, 307, 308):
                    there = f"{emulator.media_origin}/elsewhere"
                    emulator.faults.append(Reply(status, headers={"Location": there}))
                    with promising(f"{verb}, redirected by {status}: no credential goes there"):
                        try:
                            ask()
                        except RecordingError:
                            pass  # a redirect that leads away may be refused, too
                        self._media_saw_nothing(emulator)
                    emulator.faults.clear()

    def _media_saw_nothing(self, emulator: Emulator) -> None:
        secrets = dict(_secrets(emulator))
        for request in emulator.requests("media"):
            text = f"{request.path} {request.query} {dict(request.headers)} {request.body!r}"
            _hides(secrets, text, f"the media host's {request.method} {request.path}")

    def _everything(
        self, provider: Provider, emulator: Emulator, directory: Path
    ) -> dict[str, Callable[[], Any]]:
        """Each declared verb, to be asked again and again; with live sessions to ask of."""
        asks: dict[str, Callable[[], Any]] = {}
        can = provider.can
        if can(Operation.LIST):
            bounds = horizon(emulator)
            recordings = list(provider.list(**bounds))
            some = next((each for each in recordings if each.files), recordings[0])
            asks["list"] = lambda: list(provider.list(**bounds))
            if can(Operation.GET):
                asks["get"] = lambda: provider.get(some)
            if can(Operation.DOWNLOAD):
                asks["download"] = lambda: provider.download(some, directory)
        for target in emulator.sessions:
            kind = target.kind
            if not can(Operation.START, kind):
                continue
            session = self.begin(provider, target)
            advance(emulator, self.warm_up)
            for operation, verb in self.verbs(provider).items():
                if can(operation, kind):
                    asks[f"{kind} {operation}"] = partial(verb, session)
        if can(Operation.LIST) and can(Operation.DELETE):
            asks["delete"] = lambda: provider.delete(recordings[-1])
        return asks


def _secrets(emulator: Emulator) -> Iterator[tuple[str, str]]:
    """Each form in which a credential could show -> what it is."""
    from recording_core.plugins.registry import provider_info

    for setting in provider_info(emulator.provider).settings:
        value = emulator.credentials.get(setting.name)
        if not setting.secret or not value:
            continue
        yield value, f"the credential {setting.name}"
        yield quote(value, safe=""), f"the credential {setting.name}, quoted"
        for other in (*emulator.credentials.values(), ""):
            for pair in (f"{other}:{value}", f"{value}:{other}"):
                encoded = base64.b64encode(pair.encode()).decode()
                yield f"Basic {encoded}", f"the credential {setting.name}, as basic authentication"


def _signatures(recordings: list[Recording]) -> Iterator[tuple[str, str]]:
    """Each query of a media URL, and each value in it that could sign it -> what it is."""
    for recording in recordings:
        for file in recording.files:
            query = (file.url or "").partition("?")[2]
            if query:
                yield query, "the query of a media URL"
            for name, value in parse_qsl(query):
                if len(value) >= _SIGNATURE:
                    yield value, f"the parameter {name} of a media URL"
                    yield quote(value, safe=""), f"the parameter {name} of a media URL"


def _tell_tales(emulator: Emulator) -> list[tuple[str, Reply]]:
    """Answers that repeat the credentials to whoever quotes them."""
    secrets = [form for form, _ in _secrets(emulator)]
    said = " ".join(secrets)
    payload = {"message": f"bad: {said}", "error": said, "errors": [{"message": said}], "id": said}
    there = f"{emulator.media_origin}/elsewhere?token={quote(said)}"
    return [
        ("HTTP 400 that quotes it", Reply.json(payload, 400)),
        ("HTTP 401 that quotes it", Reply.json(payload, 401)),
        ("HTTP 429 that quotes it", Reply.json(payload, 429)),
        ("HTTP 500 that quotes it", Reply(500, f"<html>{said}".encode())),
        ("JSON with 200 that quotes it", Reply.json(payload)),
        ("a text with 200 that quotes it", Reply.json(said)),
        ("broken JSON that quotes it", Reply(200, f'{{"token": "{said}'.encode())),
        ("a redirect that quotes it", Reply(302, headers={"Location": there})),
        ("a connection that is cut", Reply(abort=True)),
    ]


def _shown(error: BaseException) -> str:
    """Everything that a log, a ticket or a reader of attributes would see of it."""
    return " ".join(
        (str(error), repr(error), repr(vars(error)), *traceback.format_exception(error))
    )


def _logged(caplog: pytest.LogCaptureFixture) -> str:
    return "\n".join(f"{r.name} {r.getMessage()} {r.exc_text or ''}" for r in caplog.records)


def _hides(secrets: dict[str, str], text: str, where: str) -> None:
    for form, what in secrets.items():
        if form in text:
            at = text.index(form)
            around = (
                text[max(0, at - 60) : at] + "<HERE>" + text[at + len(form) : at + len(form) + 40]
            )
            # The value itself is not repeated here either.
            raise AssertionError(f"{where} shows {what}: ...{around}...")
