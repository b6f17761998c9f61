"""Names for providers' authors: hooks, building blocks, payload readers, emulator base.

A provider imports from here, from `recording_core` (models and errors) and from
`recording_core.testing`, and from no other module. What is not named there is private. Each name
is resolved on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from recording_core import build_name_table, resolve_name
from recording_core.plugins import readers

if TYPE_CHECKING:
    from recording_core.clock import Clock
    from recording_core.download.file_names import build_file_name
    from recording_core.download.formats import FORMATS, find_format, read_base_name, read_suffix
    from recording_core.download.transfer import fetch_temporarily, store_files
    from recording_core.listing.page import Page, PageRows, Query, Window, read_rows
    from recording_core.model.capabilities import (
        Capabilities,
        Operation,
        ProviderInfo,
        Setting,
        StoragePrice,
        build_capabilities,
    )
    from recording_core.model.enums import FINAL, LIVE
    from recording_core.model.events import build_event, build_event_key, find_event_kind
    from recording_core.model.strict_json import decode_json, decode_json_plain
    from recording_core.plugins.hookspecs import hookimpl
    from recording_core.provider.connection import Connection
    from recording_core.provider.provider import Provider
    from recording_core.provider.start_request import StartRequest
    from recording_core.redaction import redact_payload, redact_text, redact_url
    from recording_core.reporting.row_schema import Column
    from recording_core.testing.emulator.deliveries import (
        Attempt,
        Deliveries,
        EmulatedEvent,
        RedeliveryPolicy,
        Webhook,
    )
    from recording_core.testing.emulator.emulator import Emulator
    from recording_core.testing.emulator.media import MEDIA_TYPES, build_media, build_mp3, build_wav
    from recording_core.testing.emulator.ranges import build_file_reply
    from recording_core.testing.emulator.server import LoopbackServer, Reply, Request
    from recording_core.transport.authentication import HeaderAuth, NoAuth, TokenAuth
    from recording_core.transport.client import Transport
    from recording_core.transport.deadline import Deadline
    from recording_core.transport.retry import RetryPolicy
    from recording_core.transport.status_codes import ErrorDetails, find_error_class
    from recording_core.webhooks.scheme import WebhookScheme
    from recording_core.webhooks.signatures import check_base64, check_hex, read_signatures

__all__ = [
    "Attempt",
    "Capabilities",
    "Clock",
    "Column",
    "Connection",
    "Deadline",
    "Deliveries",
    "Emulator",
    "FINAL",
    "FORMATS",
    "EmulatedEvent",
    "HeaderAuth",
    "Webhook",
    "LIVE",
    "LoopbackServer",
    "MEDIA_TYPES",
    "NoAuth",
    "Operation",
    "Page",
    "PageRows",
    "Provider",
    "ProviderInfo",
    "Query",
    "RedeliveryPolicy",
    "ErrorDetails",
    "RetryPolicy",
    "Reply",
    "Request",
    "Setting",
    "StartRequest",
    "StoragePrice",
    "TokenAuth",
    "Transport",
    "WebhookScheme",
    "Window",
    "read_base_name",
    "build_capabilities",
    "check_base64",
    "check_hex",
    "decode_json",
    "decode_json_plain",
    "find_error_class",
    "build_event",
    "build_event_key",
    "find_event_kind",
    "fetch_temporarily",
    "build_file_name",
    "build_file_reply",
    "find_format",
    "hookimpl",
    "build_media",
    "build_mp3",
    "read_signatures",
    "read_rows",
    "readers",
    "redact_payload",
    "redact_text",
    "redact_url",
    "store_files",
    "read_suffix",
    "build_wav",
]

#: name -> the module that defines it
_MODULES = build_name_table(
    {
        "clock": "Clock",
        "download.file_names": "build_file_name",
        "download.formats": "FORMATS read_base_name find_format read_suffix",
        "download.transfer": "fetch_temporarily store_files",
        "listing.page": "Page PageRows Query Window read_rows",
        "model.capabilities": "Capabilities Operation ProviderInfo Setting StoragePrice build_capabilities",
        "model.enums": "FINAL LIVE",
        "model.events": "build_event build_event_key find_event_kind",
        "model.strict_json": "decode_json decode_json_plain",
        "plugins.hookspecs": "hookimpl",
        "provider.connection": "Connection",
        "provider.provider": "Provider",
        "provider.start_request": "StartRequest",
        "redaction": "redact_payload redact_text redact_url",
        "reporting.row_schema": "Column",
        "testing.emulator.deliveries": "Attempt Deliveries EmulatedEvent Webhook RedeliveryPolicy",
        "testing.emulator.emulator": "Emulator",
        "testing.emulator.media": "MEDIA_TYPES build_media build_wav build_mp3",
        "testing.emulator.ranges": "build_file_reply",
        "testing.emulator.server": "LoopbackServer Reply Request",
        "transport.authentication": "HeaderAuth NoAuth TokenAuth",
        "transport.client": "Transport",
        "transport.deadline": "Deadline",
        "transport.retry": "RetryPolicy",
        "transport.status_codes": "ErrorDetails find_error_class",
        "webhooks.scheme": "WebhookScheme",
        "webhooks.signatures": "check_base64 check_hex read_signatures",
    }
)


if not TYPE_CHECKING:  # a type checker then reports a name that does not exist

    def __getattr__(name: str) -> Any:
        value = globals()[name] = resolve_name(__name__, _MODULES, name)
        return value


def __dir__() -> list[str]:
    return __all__
