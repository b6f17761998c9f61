"""Call, conference and meeting recordings of many vendors, as if there were one.

Every public name is resolved on first use (PEP 562), so that importing this package imports
neither an HTTP library nor any vendor's client.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from recording_core.accounts import Account, configured_accounts
    from recording_core.capabilities import (
        Capabilities,
        Operation,
        ProviderInfo,
        Setting,
        StoragePrice,
        capability_table,
    )
    from recording_core.connection import Connection
    from recording_core.errors import (
        AuthenticationFailed,
        ChecksumMismatch,
        ConfigurationError,
        Conflict,
        DownloadError,
        ForbiddenHost,
        Locked,
        MalformedPayload,
        NotFound,
        NotMedia,
        NotReady,
        OutcomeUnknown,
        PaginationError,
        PluginError,
        ProviderError,
        QuotaExceeded,
        RateLimited,
        RecordingError,
        Rejected,
        StorageError,
        Truncated,
        Unavailable,
        UnsupportedOperation,
        WebhookRejected,
    )
    from recording_core.events import (
        EventKind,
        RecordingEvent,
        WebhookRequest,
        event_key,
        event_of,
        fact_of,
    )
    from recording_core.hookspecs import hookimpl
    from recording_core.kinds import FileRole, SessionKind
    from recording_core.listing import Coverage, Listing, Page, Query, Window, read_rows
    from recording_core.models import (
        CommunicationSession,
        Copy,
        Interval,
        MediaFile,
        Recording,
        RecordingSession,
        call,
        conference,
        meeting,
    )
    from recording_core.plugins import providers
    from recording_core.provider import Provider, StartRequest, connect
    from recording_core.recorder import Recorder
    from recording_core.reporting.report import Report, report
    from recording_core.row_schema import Column, rows
    from recording_core.serialize import dumps, loads
    from recording_core.status import RecordingStatus
    from recording_core.transport import HttpSettings, MediaHosts
    from recording_core.transport.answers import Refusal
    from recording_core.transport.retry import Repeat
    from recording_core.transport.sign_in import HeaderAuth, TokenAuth
    from recording_core.webhooks.receiver import Receiver, receive, receiver, unsafe_parse
    from recording_core.webhooks.reconcile import Reconciliation
    from recording_core.webhooks.scheme import WebhookScheme
    from recording_core.webhooks.seen import MemorySeen, Seen, SqliteSeen

__version__ = "0.1.0"

#: name -> the module that defines it
_WHERE = {
    name: module
    for module, names in {
        "accounts": "Account configured_accounts",
        "capabilities": "Capabilities Operation ProviderInfo Setting StoragePrice capability_table",
        "errors": (
            "AuthenticationFailed ChecksumMismatch ConfigurationError Conflict DownloadError "
            "ForbiddenHost Locked MalformedPayload NotFound NotMedia NotReady OutcomeUnknown "
            "PaginationError PluginError ProviderError QuotaExceeded RateLimited RecordingError "
            "Rejected StorageError Truncated Unavailable UnsupportedOperation WebhookRejected"
        ),
        "events": "EventKind RecordingEvent WebhookRequest event_key event_of fact_of",
        "hookspecs": "hookimpl",
        "listing": "Coverage Listing Page Query Window read_rows",
        "kinds": "FileRole SessionKind",
        "models": (
            "CommunicationSession Copy Interval MediaFile Recording RecordingSession "
            "call conference meeting"
        ),
        "plugins": "providers",
        "connection": "Connection",
        "provider": "Provider StartRequest connect",
        "recorder": "Recorder",
        "row_schema": "Column rows",
        "reporting.report": "Report report",
        "serialize": "dumps loads",
        "status": "RecordingStatus",
        "transport": "HttpSettings MediaHosts",
        "transport.retry": "Repeat",
        "transport.answers": "Refusal",
        "transport.sign_in": "HeaderAuth TokenAuth",
        "webhooks.receiver": "Receiver receive receiver unsafe_parse",
        "webhooks.reconcile": "Reconciliation",
        "webhooks.scheme": "WebhookScheme",
        "webhooks.seen": "MemorySeen Seen SqliteSeen",
    }.items()
    for name in names.split()
}

__all__ = [
    "Account",
    "AuthenticationFailed",
    "Capabilities",
    "ChecksumMismatch",
    "Column",
    "CommunicationSession",
    "ConfigurationError",
    "Conflict",
    "Connection",
    "Copy",
    "Coverage",
    "DownloadError",
    "EventKind",
    "FileRole",
    "ForbiddenHost",
    "HeaderAuth",
    "HttpSettings",
    "Interval",
    "Listing",
    "Locked",
    "MalformedPayload",
    "MediaFile",
    "MediaHosts",
    "MemorySeen",
    "NotFound",
    "NotMedia",
    "NotReady",
    "Operation",
    "OutcomeUnknown",
    "Page",
    "PaginationError",
    "PluginError",
    "Provider",
    "ProviderError",
    "ProviderInfo",
    "Query",
    "QuotaExceeded",
    "RateLimited",
    "Receiver",
    "Reconciliation",
    "Recorder",
    "Recording",
    "RecordingError",
    "RecordingEvent",
    "RecordingSession",
    "RecordingStatus",
    "Refusal",
    "Rejected",
    "Repeat",
    "Report",
    "Seen",
    "SessionKind",
    "Setting",
    "SqliteSeen",
    "StartRequest",
    "StorageError",
    "StoragePrice",
    "TokenAuth",
    "Truncated",
    "Unavailable",
    "UnsupportedOperation",
    "WebhookRejected",
    "WebhookRequest",
    "WebhookScheme",
    "Window",
    "__version__",
    "call",
    "capability_table",
    "conference",
    "configured_accounts",
    "connect",
    "dumps",
    "event_key",
    "event_of",
    "fact_of",
    "hookimpl",
    "loads",
    "meeting",
    "providers",
    "read_rows",
    "receive",
    "receiver",
    "report",
    "rows",
    "unsafe_parse",
]


def __getattr__(name: str) -> Any:
    import importlib

    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_WHERE[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
