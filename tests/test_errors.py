"""Errors: their text, their facts across processes, and no credentials in either."""

from __future__ import annotations

import copy
import inspect
import pickle
import traceback
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

import recording_core as rec
from recording_core import errors

CANARY = "canary-9f2c41"
NOW = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)
SESSION = rec.RecordingSession("vendor", "default", "s1", rec.call("c1"))
FACTS: dict[str, Any] = {
    "provider": "vendor",
    "operation": "get",
    "status": 404,
    "code": "E7",
    "request_id": "q1",
    "body": {"error": "no", "token": CANARY},
}


def build_errors() -> Iterator[rec.RecordingError]:
    for name in errors.__all__:
        kind = getattr(errors, name)
        if issubclass(kind, rec.ProviderError):
            yield kind("message", **FACTS)
        elif issubclass(kind, rec.DownloadError):
            yield kind("message", provider="vendor", recording_id="r1")
        else:
            yield kind("message")
    yield rec.RateLimited("slow down", retry_after=timedelta(seconds=3), **FACTS)
    yield rec.NotReady("wait", session=SESSION, **FACTS)
    yield rec.OutcomeUnknown(
        "no response",
        target=rec.call("c1"),
        parameters={"api_key": CANARY},
        sent_at=NOW,
        **FACTS,
    )
    yield rec.MalformedPayload("field 'id' is missing", path="id", **FACTS)
    yield rec.WebhookRejected("forged", status=401)


@pytest.mark.parametrize("error", list(build_errors()), ids=lambda error: type(error).__name__)
def test_errors_survive_pickling_and_copying(error: rec.RecordingError) -> None:
    for twin in (pickle.loads(pickle.dumps(error)), copy.copy(error), copy.deepcopy(error)):
        assert type(twin) is type(error)
        assert str(twin) == str(error)
        assert twin.args == error.args
        assert vars(twin) == vars(error)


@pytest.mark.parametrize("error", list(build_errors()), ids=lambda error: type(error).__name__)
def test_error_text_contains_its_facts(error: rec.RecordingError) -> None:
    assert isinstance(error, rec.RecordingError)
    assert error.message in str(error)
    if isinstance(error, rec.ProviderError):
        assert str(error) == f"vendor get: {error.message} (HTTP 404, code E7, request q1)"
    if isinstance(error, rec.DownloadError):
        assert str(error) == "vendor r1: message"


def test_error_tree_matches_the_documentation() -> None:
    kinds = [getattr(errors, name) for name in errors.__all__]
    names = inspect.getdoc(errors) or ""
    assert all(kind.__name__ in names for kind in kinds)
    assert all(issubclass(kind, rec.RecordingError) and kind.__doc__ for kind in kinds)
    assert issubclass(rec.ConfigurationError, ValueError)
    assert not issubclass(rec.DownloadError, rec.ProviderError)
    defined = {
        name
        for name, value in vars(errors).items()
        if inspect.isclass(value) and issubclass(value, Exception)
    }
    assert defined == set(errors.__all__)
    assert set(errors.__all__) <= set(dir(rec))


@pytest.mark.parametrize(
    "text",
    [
        f"GET https://h.test/a?X-Amz-Signature={CANARY}",
        f"https://user:{CANARY}@h.test/",
        f"Authorization: Bearer {CANARY}",
        f'{{"auth_token": "{CANARY}"}}',
        f"Invalid header X-Auth-Token: {CANARY}",
        f"/path?token={CANARY}&a=b",
    ],
)
def test_errors_show_no_credential_or_signature(text: str) -> None:
    """X2: neither in the text and facts of an error nor in its traceback."""
    facts: dict[str, Any] = {"code": text, "request_id": text, "body": text}
    for error in (
        rec.RecordingError(text),
        rec.Rejected(text, **facts),
        rec.NotMedia(text, provider="vendor", recording_id="r1"),
        rec.Unavailable("message", body={"rows": [{"api_key": CANARY}]}),
        rec.OutcomeUnknown("message", parameters={"extra": {"secret": CANARY}}),
    ):
        text = "".join(traceback.format_exception(error)) + repr(error) + repr(vars(error))
        assert CANARY not in text


def test_error_text_has_no_control_characters() -> None:
    """A vendor's words must not move the cursor of a terminal, or begin a line of a log."""
    text = "a\x1b[2J\nb\u202ec\x9bd"
    shown = r"a\u001b[2J\nb\u202ec\u009bd"
    for error in (
        rec.RecordingError(text),
        rec.Rejected(text, provider=text, operation=text, code=text, request_id=text),
        rec.Truncated(text, provider=text, recording_id=text),
    ):
        assert str(error).isprintable()
        assert shown in str(error)
        assert error.message == shown


def test_error_text_names_the_account_and_the_subject() -> None:
    """What the verb was about, unless the message names it."""
    error = rec.NotFound("not found", status=404)
    error.account, error.subject = "sales", "recording r\x1b1"
    twin = pickle.loads(pickle.dumps(error))
    for each in (error, twin, error.convert(rec.Rejected, "not found")):
        assert str(each) == r"not found (recording r\u001b1, account sales, HTTP 404)"
    error.account, error.subject = "default", "recording r1"
    assert str(error.convert(rec.Rejected, "r1 is gone")) == "r1 is gone (HTTP 404)"
    error.subject = "conference:call o"  # whose last word is in most messages
    assert str(error) == "not found (conference:call o, HTTP 404)"


def test_error_text_is_bounded() -> None:
    error = rec.Rejected("x" * 10**7, code="y" * 10**7, request_id="z" * 10**7, body="b" * 10**7)
    assert len(str(error)) < 3100
    assert len(error.body) <= 2000
    assert str(error).endswith("…)")


@pytest.mark.parametrize("facts", [{}, {"status": None, "code": None, "body": None}])
def test_facts_of_an_error_are_optional(facts: dict[str, Any]) -> None:
    assert str(rec.Rejected("message", **facts)) == "message"
    assert str(rec.Truncated("message")) == "message"
