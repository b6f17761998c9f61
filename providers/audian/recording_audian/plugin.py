"""Plugin: what Audian's provider declares. Only `connect` imports the client."""

from recording_core import ProviderInfo, Setting
from recording_core.plugin import build_capabilities, hookimpl

#: https://docs.audian.com/call-control/call-recording has a pause and a resume for calls;
#: https://docs.audian.com/conferences/recording has none for conferences.
INFO = ProviderInfo(
    name="audian",
    label="Audian",
    settings=(
        Setting("api_key", "AUDIAN_API_KEY", secret=True),
        Setting("auth_style", "AUDIAN_AUTH_STYLE", default="x-auth-token"),
    ),
    capabilities=build_capabilities(
        call="start pause resume stop list get download delete",
        conference="start stop list get download delete",
    ),
    documentation="https://docs.audian.com/call-control/call-recording",
    client="recording_audian.client:Audian",
    webhooks="recording_audian.webhooks:AudianWebhooks",
    emulator="recording_audian.emulator:AudianEmulator",
    assumptions="recording_audian.assumptions:ASSUMPTIONS",
)


@hookimpl
def recording_provider() -> ProviderInfo:
    return INFO
