"""Plugin: what VoIPBin's provider declares. Only `connect` imports the client."""

from recording_core import ProviderInfo, Setting
from recording_core.plugin import build_capabilities, hookimpl

#: There is no request to pause: https://docs.voipbin.net, Recording
INFO = ProviderInfo(
    name="voipbin",
    label="VoIPBin",
    settings=(
        # One of the two: a JWT is sent in the header Authorization, an access key as a cookie.
        Setting("token", "VOIPBIN_TOKEN", secret=True, default=""),
        Setting("accesskey", "VOIPBIN_ACCESSKEY", secret=True, default=""),
    ),
    capabilities=build_capabilities(
        call="start stop active list get download delete",
        conference="start stop active list get download delete",
    ),
    documentation="https://api.voipbin.net/docs",
    client="recording_voipbin.client:VoIPBin",
    webhooks="recording_voipbin.webhooks:VoIPBinWebhooks",
    emulator="recording_voipbin.emulator:VoIPBinEmulator",
    assumptions="recording_voipbin.assumptions:ASSUMPTIONS",
    media_hosts=("storage.googleapis.com",),
)


@hookimpl
def recording_provider() -> ProviderInfo:
    return INFO
