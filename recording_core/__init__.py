"""Call, conference and meeting recordings of many vendors through one interface.

Names for applications. Each is resolved on first use (PEP 562), so that importing this package
imports neither an HTTP library nor a vendor's client. Names for providers' authors are in
`recording_core.plugin`, those for tests in `recording_core.testing`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from recording_core.accounts import Account as Account
    from recording_core.accounts import account as account
    from recording_core.accounts import connect as connect
    from recording_core.accounts import find_accounts as find_accounts
    from recording_core.archiving.archive import Archive as Archive
    from recording_core.archiving.record import ArchivedRecording as ArchivedRecording
    from recording_core.archiving.run_result import ArchiveProgress as ArchiveProgress
    from recording_core.archiving.run_result import ArchiveRun as ArchiveRun
    from recording_core.archiving.verification import Verification as Verification
    from recording_core.errors import *  # noqa: F403
    from recording_core.listing.coverage import AccountCoverage as AccountCoverage
    from recording_core.listing.coverage import Coverage as Coverage
    from recording_core.listing.listing import Listing as Listing
    from recording_core.listing.row_schema import rows as rows
    from recording_core.model.capabilities import Capabilities as Capabilities
    from recording_core.model.capabilities import Operation as Operation
    from recording_core.model.capabilities import ProviderInfo as ProviderInfo
    from recording_core.model.capabilities import Setting as Setting
    from recording_core.model.entities import CommunicationSession as CommunicationSession
    from recording_core.model.entities import Copy as Copy
    from recording_core.model.entities import Interval as Interval
    from recording_core.model.entities import MediaFile as MediaFile
    from recording_core.model.entities import Recording as Recording
    from recording_core.model.entities import RecordingSession as RecordingSession
    from recording_core.model.entities import call as call
    from recording_core.model.entities import conference as conference
    from recording_core.model.entities import meeting as meeting
    from recording_core.model.enums import OMIT as OMIT
    from recording_core.model.enums import FileRole as FileRole
    from recording_core.model.enums import RecordingStatus as RecordingStatus
    from recording_core.model.enums import SessionKind as SessionKind
    from recording_core.model.events import EventKind as EventKind
    from recording_core.model.events import RecordingEvent as RecordingEvent
    from recording_core.model.serialization import dumps as dumps
    from recording_core.model.serialization import loads as loads
    from recording_core.plugins.registry import providers as providers
    from recording_core.provider.provider import Provider as Provider
    from recording_core.provider.recorder import Recorder as Recorder
    from recording_core.reporting.report import Report as Report
    from recording_core.reporting.report import report as report
    from recording_core.transport.settings import HttpSettings as HttpSettings
    from recording_core.transport.settings import MediaHosts as MediaHosts
    from recording_core.transport.telemetry import Exchange as Exchange
    from recording_core.webhooks.receiver import Receiver as Receiver
    from recording_core.webhooks.receiver import receive as receive
    from recording_core.webhooks.receiver import receiver as receiver
    from recording_core.webhooks.receiver import unsafe_parse as unsafe_parse
    from recording_core.webhooks.reconcile import Reconciliation as Reconciliation
    from recording_core.webhooks.replay_store import MemoryReplayStore as MemoryReplayStore
    from recording_core.webhooks.replay_store import ReplayStore as ReplayStore
    from recording_core.webhooks.replay_store import SqliteReplayStore as SqliteReplayStore
    from recording_core.webhooks.request import WebhookRequest as WebhookRequest

__version__ = "0.1.0"

#: module -> the names that it defines
_MODULES = {
    "accounts": "Account account connect find_accounts",
    "archiving.archive": "Archive",
    "archiving.record": "ArchivedRecording",
    "archiving.run_result": "ArchiveProgress ArchiveRun",
    "archiving.verification": "Verification",
    "errors": (
        "AuthenticationFailed ChecksumMismatch ConfigurationError Conflict DownloadError "
        "ForbiddenHost MalformedPayload NotFound NotMedia NotReady OutcomeUnknown "
        "PaginationError PluginError ProviderError QuotaExceeded RateLimited RecordingError "
        "Rejected StorageError TooLarge Truncated Unavailable UnsupportedOperation WebhookRejected"
    ),
    "listing.coverage": "AccountCoverage Coverage",
    "listing.listing": "Listing",
    "listing.row_schema": "rows",
    "model.capabilities": "Capabilities Operation ProviderInfo Setting",
    "model.entities": (
        "CommunicationSession Copy Interval MediaFile Recording RecordingSession call "
        "conference meeting"
    ),
    "model.enums": "OMIT FileRole RecordingStatus SessionKind",
    "model.events": "EventKind RecordingEvent",
    "model.serialization": "dumps loads",
    "plugins.registry": "providers",
    "provider.provider": "Provider",
    "provider.recorder": "Recorder",
    "reporting.report": "Report report",
    "transport.settings": "HttpSettings MediaHosts",
    "transport.telemetry": "Exchange",
    "webhooks.receiver": "Receiver receive receiver unsafe_parse",
    "webhooks.reconcile": "Reconciliation",
    "webhooks.replay_store": "MemoryReplayStore ReplayStore SqliteReplayStore",
    "webhooks.request": "WebhookRequest",
}


def attach_names(
    package: str, modules: Mapping[str, str]
) -> tuple[Callable[[str], Any], Callable[[], list[str]], list[str]]:
    """Build the `__getattr__`, `__dir__` and `__all__` of a package that imports on first use."""
    module_of = {name: module for module, names in modules.items() for name in names.split()}
    names = sorted(module_of)

    def resolve_name(name: str) -> Any:
        import importlib

        if name not in module_of:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        module = importlib.import_module(f"recording_core.{module_of[name]}")
        value = getattr(module, name, None)
        if value is None:  # a public module
            value = importlib.import_module(f"{module.__name__}.{name}")
        setattr(sys.modules[package], name, value)
        return value

    return resolve_name, lambda: names, names


if not TYPE_CHECKING:  # a type checker then reports a name that does not exist
    __getattr__, __dir__, __all__ = attach_names(__name__, _MODULES)
    __all__.append("__version__")
