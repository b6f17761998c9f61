"""Emulator: its quirks are those of the vendor's pages. Over plain HTTP, without the client."""

from __future__ import annotations

import pytest
import requests
from recording_core.testing import Emulator

pytestmark = pytest.mark.emulator("acme", recordings=25)


# FILL IN: a test of each quirk that README.md names, and the address of its page (section 7)
def send(emulator: Emulator, method: str, path: str, **arguments: str) -> requests.Response:
    headers = {"X-Acme-Key": emulator.credentials["key"]}
    url = f"{emulator.base_url}/{path}"
    return requests.request(method, url, params=arguments, headers=headers, timeout=10)


def test_a_request_without_the_key_is_refused(emulator: Emulator) -> None:
    reply = requests.get(f"{emulator.base_url}/recordings", timeout=10)
    assert (reply.status_code, reply.json()) == (401, {"problem": "invalid key"})


def test_a_page_has_twenty_rows(emulator: Emulator) -> None:
    first = send(emulator, "GET", "recordings").json()
    second = send(emulator, "GET", "recordings", page=first["next_page"]).json()
    assert [len(each["recordings"]) for each in (first, second)] == [20, 5]
    assert second["next_page"] is None
    assert send(emulator, "GET", "recordings", page="x").status_code == 400


def test_a_second_stop_is_answered_like_the_first(emulator: Emulator) -> None:
    path = f"recordings/{emulator.list_ids()[0]}/stop"
    first, second = (send(emulator, "PUT", path).json() for _ in range(2))
    assert first == second


def test_a_link_without_its_signature_is_refused(emulator: Emulator) -> None:
    row = send(emulator, "GET", f"recordings/{emulator.list_ids()[0]}").json()
    assert requests.get(row["link"], timeout=10).status_code == 200
    assert requests.get(row["link"].partition("?")[0], timeout=10).status_code == 403
