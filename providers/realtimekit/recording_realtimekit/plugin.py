"""Plugin: what RealtimeKit supports and which settings it needs. It imports no client."""

from recording_core import ProviderInfo, Setting
from recording_core.plugin import build_capabilities, hookimpl

#: There is no endpoint that deletes a recording:
#: https://developers.cloudflare.com/api/resources/realtime_kit/subresources/recordings
INFO = ProviderInfo(
    name="realtimekit",
    label="RealtimeKit",
    settings=(
        Setting("account_id", "REALTIMEKIT_ACCOUNT_ID"),
        Setting("app_id", "REALTIMEKIT_APP_ID"),
        Setting("api_token", "REALTIMEKIT_API_TOKEN", secret=True),
    ),
    capabilities=build_capabilities(
        meeting="start pause resume stop active list get download",
    ),
    documentation="https://developers.cloudflare.com/realtime/realtimekit/recording-guide",
    client="recording_realtimekit.client:RealtimeKit",
    webhooks="recording_realtimekit.webhooks:RealtimeKitWebhooks",
    emulator="recording_realtimekit.emulator:RealtimeKitEmulator",
    assumptions="recording_realtimekit.assumptions:ASSUMPTIONS",
    # The pages name no host. Third parties received composites from Cloudflare's R2 and tracks from
    # Google's storage, and in the time of Dyte from Amazon's S3 in one region.
    media_hosts=(
        "*.r2.cloudflarestorage.com",
        "storage.googleapis.com",
        "*.s3.ap-south-1.amazonaws.com",
    ),
)


@hookimpl
def recording_provider() -> ProviderInfo:
    return INFO
