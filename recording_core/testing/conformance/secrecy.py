"""Requirements for secrecy: no credential or signed URL in errors, logs, reprs or other hosts."""

from __future__ import annotations

import base64
import copy
import gc
import logging
import pickle
import traceback
from collections.abc import Iterable, Iterator
from contextlib import closing, suppress
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

import pytest

from recording_core import Operation, Recording, RecordingError, dumps
from recording_core.plugins.registry import get_provider_info
from recording_core.testing.conformance.base import (
    SINGLE_REQUESTS,
    ConformanceBase,
    state_requirement,
)
from recording_core.testing.conformance.copies import find_downloadable, select_by_shape
from recording_core.testing.conformance.guard import REQUIREMENT
from recording_core.testing.emulator.emulator import Emulator
from recording_core.testing.emulator.server import Reply, Request

#: Shorter values of a query, such as a version or a duration, are not signatures.
SIGNATURE_LENGTH = 20
#: Other forms of a shorter credential could be part of another value.
_SHORTEST = 8
_URL_SAFE = str.maketrans("+/", "-_")


class SecrecyRequirements(ConformanceBase):
    """Requirements for what logs, tickets, tracebacks and other hosts may contain."""

    def test_no_error_or_log_shows_a_credential(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
    ) -> None:
        caplog.set_level(logging.DEBUG)
        secrets = dict(generate_secrets(self.vendor))
        with self.vendor.connect(http=SINGLE_REQUESTS) as provider:
            self.authenticate(provider)
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
        check_hidden(secrets, "".join(capfd.readouterr()), "what is printed")

    def test_no_error_or_log_shows_a_signed_url(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        self.require_declared(Operation.LIST, Operation.DOWNLOAD)
        caplog.set_level(logging.DEBUG)
        recordings = [each for each in self.list_all() if each.files]
        signatures = dict(generate_signatures(recordings))
        for recording in recordings:
            check_hidden(signatures, repr(recording), "repr(recording)")
        for recording in select_by_shape(recordings):
            try:
                self.provider.download(recording, tmp_path)
                self.vendor.media_faults.extend([Reply(403, b"<Error>")] * 9)
                self.provider.download(recording, tmp_path)
            except RecordingError as error:
                _check_error(signatures, error)
            self.vendor.media_faults.clear()
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

    def test_no_value_contains_a_credential(self, tmp_path: Path) -> None:
        secrets = dict(generate_disguises(self.vendor))
        for what, value in self._generate_values(tmp_path):
            with state_requirement(f"no field of {what} contains a credential, in any form"):
                text = dumps(value)
                check_hidden(secrets, f"{text} {unquote(text)}", what)

    def _generate_values(self, directory: Path) -> Iterator[tuple[str, Any]]:
        """Generate each kind of value that a provider returns, and what it is."""
        provider = self.provider
        for target in self.list_live_targets():
            session = self.begin(provider, target)
            yield f"the session of a {target.kind} that began", session
            self.vendor.advance(self.warm_up)
            for operation, verb in self.build_verbs(provider).items():
                if operation is Operation.START or not provider.can(operation, target.kind):
                    continue
                if (after := verb(session)) is not None:
                    yield f"the session of a {target.kind} after {operation}", after
        self.vendor.advance(self.processing_timeout)
        if not provider.can(Operation.LIST):
            return
        listing = provider.list(**self.bounds)
        recordings = list(listing)
        yield "coverage", listing.coverage
        for recording in recordings:
            yield f"recording {recording.id} of the list", recording
        for recording in select_by_shape(recordings):
            if provider.can(Operation.GET, recording.kind):
                yield f"recording {recording.id}", provider.get(recording)
        if provider.can(Operation.DOWNLOAD):
            for recording in select_by_shape(find_downloadable(self)):
                for made in provider.download(recording, directory):
                    yield f"the copy {made.path.name}", made

    def test_no_url_of_a_request_contains_a_credential(self, tmp_path: Path) -> None:
        """A URL is in the logs of proxies. The vendor's authentication may be in its URLs."""
        secrets = dict(generate_disguises(self.vendor))
        for call in self.build_calls(self.provider, tmp_path).values():
            with suppress(RecordingError):  # only the requests matter here
                call()
        sent = [entry.request for entry in self.vendor.journal]
        proven: set[str] = set()
        for request in sorted(sent, key=lambda each: each.method != "GET"):
            url = unquote(f"{request.path}?{urlencode(request.query)}")
            forms = [form for form in secrets if form in url]
            if proven.issuperset(forms) or request.origin != self.vendor.origin:
                continue
            if not self._is_authentication(request, forms):
                check_hidden(secrets, url, f"the URL of a {request.method} request")
            proven.update(forms)

    def _is_authentication(self, request: Request, forms: Iterable[str]) -> bool:
        """Whether the vendor refuses a request if its URL lacks these forms of a credential."""
        path, values = request.path, [value for _, value in request.query]
        for form in forms:
            path = path.replace(form, "x")
            values = [value.replace(form, "x") for value in values]
        query = urlencode(list(zip([name for name, _ in request.query], values, strict=True)))
        headers = {name: text for name, text in request.headers.items() if name != "content-length"}

        def read_status(target: str) -> int:
            connection = HTTPConnection(urlsplit(request.origin).netloc, timeout=10)
            with closing(connection):
                connection.request(request.method, target, request.body, headers)
                return connection.getresponse().status

        status = read_status(f"{path}?{query}")
        if status in (401, 403):
            return True
        # A vendor may answer 404 to a path that names no account. Reads alone are sent again.
        is_refused = request.method == "GET" and status >= 400
        whole = urlencode(request.query)
        return is_refused and read_status(f"{request.path}?{whole}") < 400

    def test_nothing_but_the_vendor_is_connected_to(self, tmp_path: Path) -> None:
        """Not even while a provider reads an error, is closed or is deleted."""
        with self.guard.forbid_traces(tmp_path):
            self._use_provider(tmp_path)
        gc.collect()
        self.guard.check()

    def _use_provider(self, directory: Path) -> None:
        with self.vendor.connect(http=SINGLE_REQUESTS) as provider:
            self.authenticate(provider)
            for verb, call in self.build_calls(provider, directory).items():
                for faults in ([self.vendor.build_error(401)] * 2, []):
                    self.vendor.faults.extend(faults)
                    with state_requirement(f"{verb}: {REQUIREMENT}"), suppress(RecordingError):
                        call()
                    self.vendor.faults.clear()

    def test_no_credential_reaches_the_media_host(self, tmp_path: Path) -> None:
        failures = (
            [],
            *([Reply(status)] for status in (401, 403, 500)),
            [Reply(307, headers={"Location": "/elsewhere"})],
        )
        for recording in select_by_shape(find_downloadable(self)):
            for faults in failures:
                self.vendor.media_faults.extend(faults)
                with suppress(RecordingError):  # only the requests matter here
                    self.provider.download(recording, tmp_path)
                self.vendor.media_faults.clear()
        assert self.vendor.list_requests("media"), "no request was for media"
        self._check_media_requests()

    def test_no_credential_follows_a_redirect(self, tmp_path: Path) -> None:
        url = f"{self.vendor.media_origin}/elsewhere"
        with self.vendor.connect(http=SINGLE_REQUESTS) as provider:
            self.authenticate(provider)
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
        secrets = dict(generate_disguises(self.vendor))
        for request in self.vendor.list_requests("media"):
            if request.origin == self.vendor.origin:
                continue  # the API itself serves the media, and may require its credentials
            text = f"{request.path} {request.query} {dict(request.headers)} {request.body!r}"
            check_hidden(
                secrets,
                f"{text} {unquote(text)}",
                f"the request {request.method} {request.path} to the media host",
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


def generate_disguises(emulator: Emulator) -> Iterator[tuple[str, str]]:
    """Generate more forms, which the library does not mask: only a provider can make them."""
    yield from generate_secrets(emulator)
    for setting in get_provider_info(emulator.provider).settings:
        value = emulator.credentials.get(setting.name, "")
        if not setting.secret or len(value) < _SHORTEST:
            continue
        what = f"the credential {setting.name}"
        yield value[::-1], f"{what}, reversed"
        yield value.encode().hex(), f"{what}, in hex"
        for shift in range(3):  # a text before it decides how base64 groups its bytes
            encoded = base64.b64encode(bytes(shift) + value.encode()).decode()
            part = encoded[(0, 2, 3)[shift] :].rstrip("=")[:-1]
            yield part, f"{what}, in base64"
            yield part.translate(_URL_SAFE), f"{what}, in base64"


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
