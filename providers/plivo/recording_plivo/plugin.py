"""Plugin: what Plivo supports and which settings it needs. Data only; it imports no client."""

from recording_core import ProviderInfo, Setting
from recording_core.plugin import StoragePrice, build_capabilities, hookimpl

#: Pause and resume exist for multiparty calls only:
#: https://www.plivo.com/docs/voice/api/multiparty-calls
INFO = ProviderInfo(
    name="plivo",
    label="Plivo",
    settings=(
        Setting("auth_id", "PLIVO_AUTH_ID"),
        Setting("auth_token", "PLIVO_AUTH_TOKEN", secret=True),
    ),
    capabilities=build_capabilities(
        call="start stop list get download delete",
        conference="start stop list get download delete",
        meeting="start pause resume stop list get download delete",
    ),
    documentation="https://www.plivo.com/docs/voice/api/recordings",
    client="recording_plivo.client:Plivo",
    webhooks="recording_plivo.webhooks:PlivoWebhooks",
    emulator="recording_plivo.emulator:PlivoEmulator",
    assumptions="recording_plivo.assumptions:ASSUMPTIONS",
    media_hosts=("media.plivo.com", "*.media.plivo.com", "s3.amazonaws.com"),
    # https://www.plivo.com/docs/voice/api/recordings
    storage_price=StoragePrice(currency="USD", per_minute_month=0.0004, free_days=90),
)


@hookimpl
def recording_provider() -> ProviderInfo:
    return INFO
