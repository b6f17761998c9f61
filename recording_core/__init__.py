"""Call, conference and meeting recordings of many vendors through one interface.

Names for applications. Each is resolved on first use (PEP 562), so that importing this package
imports neither an HTTP library nor a vendor's client. Names for providers' authors are in
`recording_core.plugin`, those for tests in `recording_core.testing`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from recording_core.accounts import Account, find_accounts
    from recording_core.errors import (
        AuthenticationFailed,
        ChecksumMismatch,
        ConfigurationError,
        Conflict,
        DownloadError,
        ForbiddenHost,
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
    from recording_core.listing.coverage import Coverage
    from recording_core.listing.listing import Listing
    from recording_core.model.capabilities import Capabilities, Operation, ProviderInfo, Setting
    from recording_core.model.entities import (
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
    from recording_core.model.enums import FileRole, RecordingStatus, SessionKind
    from recording_core.model.events import EventKind, RecordingEvent, WebhookRequest
    from recording_core.model.serialization import dumps, loads
    from recording_core.plugins.registry import providers
    from recording_core.provider.connect import connect
    from recording_core.provider.provider import Provider
    from recording_core.provider.recorder import Recorder
    from recording_core.reporting.report import Report, report
    from recording_core.reporting.row_schema import rows
    from recording_core.transport.settings import HttpSettings, MediaHosts
    from recording_core.webhooks.receiver import Receiver, receive, receiver, unsafe_parse
    from recording_core.webhooks.reconcile import Reconciliation
    from recording_core.webhooks.replay_store import (
        MemoryReplayStore,
        ReplayStore,
        SqliteReplayStore,
    )

__version__ = "0.1.0"

__all__ = [
    "Account",
    "AuthenticationFailed",
    "Capabilities",
    "ChecksumMismatch",
    "CommunicationSession",
    "ConfigurationError",
    "Conflict",
    "Copy",
    "Coverage",
    "DownloadError",
    "EventKind",
    "FileRole",
    "ForbiddenHost",
    "HttpSettings",
    "Interval",
    "Listing",
    "MalformedPayload",
    "MediaFile",
    "MediaHosts",
    "MemoryReplayStore",
    "NotFound",
    "NotMedia",
    "NotReady",
    "Operation",
    "OutcomeUnknown",
    "PaginationError",
    "PluginError",
    "Provider",
    "ProviderError",
    "ProviderInfo",
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
    "Rejected",
    "Report",
    "ReplayStore",
    "SessionKind",
    "Setting",
    "SqliteReplayStore",
    "StorageError",
    "Truncated",
    "Unavailable",
    "UnsupportedOperation",
    "WebhookRejected",
    "WebhookRequest",
    "__version__",
    "call",
    "conference",
    "find_accounts",
    "connect",
    "dumps",
    "loads",
    "meeting",
    "providers",
    "receive",
    "receiver",
    "report",
    "rows",
    "unsafe_parse",
]


def build_name_table(modules: Mapping[str, str]) -> dict[str, str]:
    """Build a table from each name to its module, from modules and the names that they define."""
    return {name: module for module, names in modules.items() for name in names.split()}


def resolve_name(package: str, table: Mapping[str, str], name: str) -> Any:
    """Import the module that defines a name. Raises `AttributeError` for a name of none."""
    import importlib

    if name not in table:
        raise AttributeError(f"module {package!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"recording_core.{table[name]}"), name)


#: name -> the module that defines it
_MODULES = build_name_table(
    {
        "accounts": "Account find_accounts",
        "errors": "AuthenticationFailed ChecksumMismatch ConfigurationError Conflict DownloadError ForbiddenHost MalformedPayload NotFound NotMedia NotReady OutcomeUnknown PaginationError PluginError ProviderError QuotaExceeded RateLimited RecordingError Rejected StorageError Truncated Unavailable UnsupportedOperation WebhookRejected",
        "listing.coverage": "Coverage",
        "listing.listing": "Listing",
        "model.capabilities": "Capabilities Operation ProviderInfo Setting",
        "model.entities": "CommunicationSession Copy Interval MediaFile Recording RecordingSession call conference meeting",
        "model.enums": "FileRole RecordingStatus SessionKind",
        "model.events": "EventKind RecordingEvent WebhookRequest",
        "model.serialization": "dumps loads",
        "plugins.registry": "providers",
        "provider.connect": "connect",
        "provider.provider": "Provider",
        "provider.recorder": "Recorder",
        "reporting.report": "Report report",
        "reporting.row_schema": "rows",
        "transport.settings": "HttpSettings MediaHosts",
        "webhooks.receiver": "Receiver receive receiver unsafe_parse",
        "webhooks.reconcile": "Reconciliation",
        "webhooks.replay_store": "MemoryReplayStore ReplayStore SqliteReplayStore",
    }
)


if not TYPE_CHECKING:  # a type checker then reports a name that does not exist

    def __getattr__(name: str) -> Any:
        value = globals()[name] = resolve_name(__name__, _MODULES, name)
        return value


def __dir__() -> list[str]:
    return __all__
