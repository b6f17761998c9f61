"""Memory: an endless response is bounded at every vendor, for a list and for a start."""

from __future__ import annotations

import socket
import threading
import tracemalloc
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain, repeat

import pytest

import recording_core as rec
from recording_core.plugins.registry import load_object
from recording_core.testing import Emulator

MIB = 1024 * 1024
#: The memory that responses may take, in bytes: slightly more than `HttpSettings.max_json_bytes`,
#: also while the error of an earlier response is kept.
BOUND = 40 * MIB
GIGABYTE = 1_000_000_000


def _generate_json() -> Iterator[bytes]:
    """Generate a gigabyte of a list that would be valid if it ended."""
    block = b'{"id": "an-id", "status": "a-status", "name": "a-name"},' * 1200
    return chain([b'{"objects": [', block], repeat(block, GIGABYTE // len(block)))


def _generate_bomb() -> Iterator[bytes]:
    """Generate a gigabyte of spaces, compressed to one megabyte."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    yield packer.compress(b"") + packer.flush(zlib.Z_FULL_FLUSH)
    # After a full flush a block does not depend on others, so that it can be repeated.
    block = packer.compress(b" " * MIB) + packer.flush(zlib.Z_FULL_FLUSH)
    yield from repeat(block, GIGABYTE // MIB)


#: headers and body of each endless response
ENDLESS = {
    "a gigabyte of JSON": (f"Content-Length: {GIGABYTE}", _generate_json),
    "a gzip bomb": ("Connection: close\r\nContent-Encoding: gzip", _generate_bomb),
}


@contextmanager
def serve_endless(what: str) -> Iterator[str]:
    """Serve one endless response to every request, and yield the origin."""
    headers, generate = ENDLESS[what]
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while True:
                try:
                    client, _ = server.accept()
                except OSError:
                    return  # the test has ended
                with client:
                    client.recv(65536)
                    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n{headers}\r\n\r\n"
                    try:
                        client.sendall(head.encode())
                        for block in generate():
                            client.sendall(block)
                    except OSError:
                        pass  # the client closed the connection

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
        server.shutdown(socket.SHUT_RDWR)
        thread.join(5)


@pytest.mark.parametrize("what", ENDLESS)
@pytest.mark.parametrize("name", rec.providers())
def test_endless_response_is_bounded_in_memory(name: str, what: str) -> None:
    """T7."""
    kind: type[Emulator] = load_object(rec.providers()[name], "emulator")
    with kind() as emulator, serve_endless(what) as origin:
        url = origin + emulator.prefix
        one = rec.HttpSettings(workers=1)  # each worker may hold one response
        with rec.connect(name, base_url=url, http=one, **emulator.credentials) as provider:
            target = emulator.sessions[0]
            tracemalloc.start()
            try:
                with pytest.raises(rec.MalformedPayload, match="max_json_bytes"):
                    list(provider.list())
                with pytest.raises(rec.OutcomeUnknown, match="max_json_bytes"):
                    provider.start(target)
                _, peak = tracemalloc.get_traced_memory()
            finally:
                tracemalloc.stop()
    assert peak < BOUND, f"{peak / MIB:.0f} MiB"


def test_gzip_bomb_is_small_and_expands() -> None:
    blocks = list(_generate_bomb())
    assert sum(map(len, blocks)) < 2 * MIB
    assert len(zlib.decompressobj(31).decompress(b"".join(blocks[:9]))) == 8 * MIB
