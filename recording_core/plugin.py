"""Names for providers' authors: hooks, building blocks, fields of payloads, emulator base.

A provider imports from here, from `recording_core` (models and errors) and from
`recording_core.testing`, and from no other module. Names that these three do not list are private.
Each name is resolved on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from recording_core import attach_names

if TYPE_CHECKING:
    from recording_core.clock import Clock as Clock
    from recording_core.download.formats import FORMATS as FORMATS
    from recording_core.download.formats import find_format as find_format
    from recording_core.download.formats import read_base_name as read_base_name
    from recording_core.download.formats import read_suffix as read_suffix
    from recording_core.download.output_file import Destination as Destination
    from recording_core.download.transfer import fetch_temporarily as fetch_temporarily
    from recording_core.download.transfer import store_files as store_files
    from recording_core.listing.page import Page as Page
    from recording_core.listing.page import PageRows as PageRows
    from recording_core.listing.page import Query as Query
    from recording_core.listing.page import Window as Window
    from recording_core.listing.page import read_rows as read_rows
    from recording_core.model.capabilities import Capabilities as Capabilities
    from recording_core.model.capabilities import Operation as Operation
    from recording_core.model.capabilities import ProviderInfo as ProviderInfo
    from recording_core.model.capabilities import Setting as Setting
    from recording_core.model.capabilities import StoragePrice as StoragePrice
    from recording_core.model.capabilities import build_capabilities as build_capabilities
    from recording_core.model.enums import FINAL as FINAL
    from recording_core.model.enums import LIVE as LIVE
    from recording_core.model.events import build_event as build_event
    from recording_core.model.events import build_event_key as build_event_key
    from recording_core.model.events import find_event_kind as find_event_kind
    from recording_core.model.strict_json import decode_json as decode_json
    from recording_core.model.strict_json import decode_json_plain as decode_json_plain
    from recording_core.plugins.columns import Column as Column
    from recording_core.plugins.fields import Fields as Fields
    from recording_core.plugins.fields import find_status as find_status
    from recording_core.plugins.hookspecs import hookimpl as hookimpl
    from recording_core.provider.assumptions import Assumption as Assumption
    from recording_core.provider.assumptions import Observation as Observation
    from recording_core.provider.connection import Connection as Connection
    from recording_core.provider.provider import Provider as Provider
    from recording_core.provider.start_request import Bounds as Bounds
    from recording_core.provider.start_request import StartRequest as StartRequest
    from recording_core.redaction import redact_payload as redact_payload
    from recording_core.redaction import redact_text as redact_text
    from recording_core.redaction import redact_url as redact_url
    from recording_core.testing.emulator.bucket import EmulatedBucket as EmulatedBucket
    from recording_core.testing.emulator.deliveries import Attempt as Attempt
    from recording_core.testing.emulator.deliveries import Deliveries as Deliveries
    from recording_core.testing.emulator.deliveries import EmulatedEvent as EmulatedEvent
    from recording_core.testing.emulator.deliveries import RedeliveryPolicy as RedeliveryPolicy
    from recording_core.testing.emulator.deliveries import Webhook as Webhook
    from recording_core.testing.emulator.emulator import Emulator as Emulator
    from recording_core.testing.emulator.emulator import build_uuid as build_uuid
    from recording_core.testing.emulator.emulator import (
        compute_recorded_time as compute_recorded_time,
    )
    from recording_core.testing.emulator.media import MEDIA_TYPES as MEDIA_TYPES
    from recording_core.testing.emulator.media import build_media as build_media
    from recording_core.testing.emulator.media import build_mp3 as build_mp3
    from recording_core.testing.emulator.media import build_wav as build_wav
    from recording_core.testing.emulator.ranges import build_file_reply as build_file_reply
    from recording_core.testing.emulator.server import LoopbackServer as LoopbackServer
    from recording_core.testing.emulator.server import Reply as Reply
    from recording_core.testing.emulator.server import Request as Request
    from recording_core.transport.authentication import AuthBase as AuthBase
    from recording_core.transport.authentication import HeaderAuth as HeaderAuth
    from recording_core.transport.authentication import HTTPBasicAuth as HTTPBasicAuth
    from recording_core.transport.authentication import NoAuth as NoAuth
    from recording_core.transport.authentication import TokenAuth as TokenAuth
    from recording_core.transport.client import Transport as Transport
    from recording_core.transport.deadline import Deadline as Deadline
    from recording_core.transport.retry import RetryPolicy as RetryPolicy
    from recording_core.transport.status_codes import ErrorDetails as ErrorDetails
    from recording_core.transport.status_codes import find_error_class as find_error_class
    from recording_core.webhooks.forms import build_form_message as build_form_message
    from recording_core.webhooks.forms import read_form as read_form
    from recording_core.webhooks.hmac_json import HmacJsonScheme as HmacJsonScheme
    from recording_core.webhooks.hmac_json import KnownEvent as KnownEvent
    from recording_core.webhooks.scheme import WebhookScheme as WebhookScheme
    from recording_core.webhooks.signatures import check_base64 as check_base64
    from recording_core.webhooks.signatures import check_hex as check_hex
    from recording_core.webhooks.signatures import read_signatures as read_signatures

#: module -> the names that it defines
_MODULES = {
    "clock": "Clock",
    "download.formats": "FORMATS find_format read_base_name read_suffix",
    "download.output_file": "Destination",
    "download.transfer": "fetch_temporarily store_files",
    "listing.page": "Page PageRows Query Window read_rows",
    "model.capabilities": (
        "Capabilities Operation ProviderInfo Setting StoragePrice build_capabilities"
    ),
    "model.enums": "FINAL LIVE",
    "model.events": "build_event build_event_key find_event_kind",
    "model.strict_json": "decode_json decode_json_plain",
    "plugins.columns": "Column",
    "plugins.fields": "Fields find_status",
    "plugins.hookspecs": "hookimpl",
    "provider.assumptions": "Assumption Observation",
    "provider.connection": "Connection",
    "provider.provider": "Provider",
    "provider.start_request": "Bounds StartRequest",
    "redaction": "redact_payload redact_text redact_url",
    "testing.emulator.bucket": "EmulatedBucket",
    "testing.emulator.deliveries": "Attempt Deliveries EmulatedEvent RedeliveryPolicy Webhook",
    "testing.emulator.emulator": "Emulator build_uuid compute_recorded_time",
    "testing.emulator.media": "MEDIA_TYPES build_media build_mp3 build_wav",
    "testing.emulator.ranges": "build_file_reply",
    "testing.emulator.server": "LoopbackServer Reply Request",
    "transport.authentication": "AuthBase HTTPBasicAuth HeaderAuth NoAuth TokenAuth",
    "transport.client": "Transport",
    "transport.deadline": "Deadline",
    "transport.retry": "RetryPolicy",
    "transport.status_codes": "ErrorDetails find_error_class",
    "webhooks.forms": "build_form_message read_form",
    "webhooks.hmac_json": "HmacJsonScheme KnownEvent",
    "webhooks.scheme": "WebhookScheme",
    "webhooks.signatures": "check_base64 check_hex read_signatures",
}

if not TYPE_CHECKING:  # a type checker then reports a name that does not exist
    __getattr__, __dir__, __all__ = attach_names(__name__, _MODULES)
