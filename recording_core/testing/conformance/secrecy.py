"""Requirements for secrecy: no credential or signed URL in errors, logs, reprs or other hosts."""

from __future__ import annotations

import base64
import copy
import logging
import pickle
import traceback
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote

import pytest

from recording_core import Operation, Recording, RecordingError
from recording_core.plugins.registry import get_provider_info
from recording_core.testing.conformance.base import (
    SINGLE_REQUESTS,
    ConformanceBase,
    state_requirement,
)
from recording_core.testing.emulator.emulator import Emulator
from recording_core.testing.emulator.server import Reply

#: Shorter values of a query, such as a version or a duration, are not signatures.
SIGNATURE_LENGTH = 20


class SecrecyRequirements(ConformanceBase):
    """Requirements for what logs, tickets, tracebacks and other hosts may contain."""

    def test_no_error_or_log_shows_a_credential(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.DEBUG)
        secrets = dict(generate_secrets(self.vendor))
        with self.vendor.connect(http=SINGLE_REQUESTS) as provider:
            for verb, call in self.build_calls(provider, tmp_path).items():
                for what, reply in _build_quoting_replies(self.vendor).items():
                    with state_requirement(
                        f"the error of {verb} shows no credential if the vendor sends {what}"
                    ):
                        self.vendor.faults.append(reply)
                        self.vendor.media_faults.append(reply)
                        try:
                            call()
                        except RecordingError as error:
                            _check_error(secrets, error)
                        self.vendor.faults.clear()
                        self.vendor.media_faults.clear()
        check_hidden(secrets, _format_log(caplog), "the log")

    def test_no_error_or_log_shows_a_signed_url(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        self.require_declared(Operation.LIST, Operation.DOWNLOAD)
        caplog.set_level(logging.DEBUG)
        recordings = [each for each in self.list_all() if each.files]
        signatures = dict(generate_signatures(recordings))
        if not signatures:
            pytest.skip("this vendor signs no media URL")
        for recording in recordings:
            try:
                self.provider.download(recording, tmp_path)
                self.vendor.media_faults.extend([Reply(403, b"<Error>")] * 9)
                self.provider.download(recording, tmp_path)
            except RecordingError as error:
                _check_error(signatures, error)
            self.vendor.media_faults.clear()
            check_hidden(signatures, repr(recording), "repr(recording)")
        check_hidden(signatures, _format_log(caplog), "the log")

    def test_no_repr_shows_a_credential(self) -> None:
        provider = self.provider
        secrets = dict(generate_secrets(self.vendor))
        values: list[Any] = [provider, provider.info, provider.transport, provider.media]
        values += [*vars(provider).values(), *vars(provider.transport).values()]
        if provider.can(Operation.LIST):
            listing = provider.list(**self.bounds)
            values += [listing, *listing, listing.coverage]
        if provider.can(Operation.START):
            for target in self.find_targets(Operation.START):
                values += [self.begin(provider, target), provider.record(target)]
        check_reprs(secrets, values)

    def test_a_provider_cannot_be_pickled_or_copied(self) -> None:
        for way, copy_by in (("pickle", pickle.dumps), ("deepcopy", copy.deepcopy)):
            with (
                state_requirement(f"{way} of a provider raises TypeError"),
                pytest.raises(TypeError),
            ):
                copy_by(self.provider)

    def test_no_credential_reaches_the_media_host(self, tmp_path: Path) -> None:
        self.require_declared(Operation.LIST, Operation.DOWNLOAD)
        for recording in self.list_all()[:12]:
            for faults in ([], [Reply(401)], [Reply(307, headers={"Location": "/elsewhere"})]):
                self.vendor.media_faults.extend(faults)
                with suppress(RecordingError):  # only the requests matter here
                    self.provider.download(recording, tmp_path)
        assert self.vendor.list_requests("media"), "no request was for media"
        self._check_media_requests()

    def test_no_credential_follows_a_redirect(self, tmp_path: Path) -> None:
        url = f"{self.vendor.media_origin}/elsewhere"
        with self.vendor.connect(http=SINGLE_REQUESTS) as provider:
            for verb, call in self.build_calls(provider, tmp_path).items():
                for status in (301, 302, 303, 307, 308):
                    self.vendor.faults.append(Reply(status, headers={"Location": url}))
                    with state_requirement(
                        f"{verb} sends no credential to another host if the vendor redirects there "
                        f"(HTTP {status})"
                    ):
                        with suppress(RecordingError):  # refusing the redirect is right, too
                            call()
                        self._check_media_requests()
                    self.vendor.faults.clear()

    def _check_media_requests(self) -> None:
        secrets = dict(generate_secrets(self.vendor))
        for request in self.vendor.list_requests("media"):
            if request.origin == self.vendor.origin:
                continue  # the API itself serves the media, and may require its credentials
            text = f"{request.path} {request.query} {dict(request.headers)} {request.body!r}"
            check_hidden(
                secrets, text, f"the request {request.method} {request.path} to the media host"
            )


def generate_secrets(emulator: Emulator) -> Iterator[tuple[str, str]]:
    """Generate each form in which a credential could show, and its description."""
    for setting in get_provider_info(emulator.provider).settings:
        value = emulator.credentials.get(setting.name)
        if not setting.secret or not value:
            continue
        yield value, f"the credential {setting.name}"
        yield quote(value, safe=""), f"the credential {setting.name}, percent-encoded"
        for other in (*emulator.credentials.values(), ""):
            for pair in (f"{other}:{value}", f"{value}:{other}"):
                encoded = base64.b64encode(pair.encode()).decode()
                yield f"Basic {encoded}", f"the credential {setting.name}, as basic authentication"


def generate_signatures(recordings: list[Recording]) -> Iterator[tuple[str, str]]:
    """Generate each query of a media URL, each long value in it, and their descriptions."""
    for recording in recordings:
        for file in recording.files:
            query = (file.url or "").partition("?")[2]
            if query:
                yield query, "the query of a media URL"
            for name, value in parse_qsl(query):
                if len(value) >= SIGNATURE_LENGTH:
                    yield value, f"the parameter {name} of a media URL"
                    yield quote(value, safe=""), f"the parameter {name} of a media URL"


def _build_quoting_replies(emulator: Emulator) -> dict[str, Reply]:
    """Build replies that quote the credentials, by description."""
    quoted = " ".join(form for form, _ in generate_secrets(emulator))
    payload = {
        "message": f"bad: {quoted}",
        "error": quoted,
        "errors": [{"message": quoted}],
        "id": quoted,
    }
    url = f"{emulator.media_origin}/elsewhere?token={quote(quoted)}"
    return {
        **{
            f"HTTP {status} with an object that quotes it": Reply.json(payload, status)
            for status in (400, 401, 429, 200)
        },
        "HTTP 500 that quotes it": Reply(500, f"<html>{quoted}".encode()),
        "HTTP 200 with a string that quotes it": Reply.json(quoted),
        "truncated JSON that quotes it": Reply(200, f'{{"token": "{quoted}'.encode()),
        "a redirect that quotes it": Reply(302, headers={"Location": url}),
        "a closed connection": Reply(abort=True),
    }


def check_reprs(secrets: dict[str, str], values: Iterable[Any]) -> None:
    """Require that repr and str of the values show none of the secrets."""
    for value in values:
        name = type(value).__name__
        with state_requirement(f"repr and str of {name} show no credential"):
            check_hidden(secrets, f"{value!r} {value}", f"the repr or str of {name}")


def _check_error(secrets: dict[str, str], error: BaseException) -> None:
    """Check everything that a log, a ticket or a reader of attributes could show of an error."""
    texts = (str(error), repr(error), repr(vars(error)), *traceback.format_exception(error))
    check_hidden(secrets, " ".join(texts), f"a {type(error).__name__}")


def _format_log(caplog: pytest.LogCaptureFixture) -> str:
    return "\n".join(f"{r.name} {r.getMessage()} {r.exc_text or ''}" for r in caplog.records)


def check_hidden(secrets: dict[str, str], text: str, place: str) -> None:
    for form, what in secrets.items():
        if form in text:
            before, _, after = text.partition(form)
            # The value itself must not show here either.
            raise AssertionError(f"{place} shows {what}: ...{before[-60:]}<HERE>{after[:40]}...")
