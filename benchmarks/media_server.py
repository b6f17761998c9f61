"""Media server, for a process of its own: `/SIZE/NAME` is an MP4 file of SIZE bytes."""

from __future__ import annotations

import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

HEAD = b"\x00\x00\x00\x18ftypisom\x00\x00\x02\x00isomiso2"
BLOCK = bytes(range(256)) * 4096


class MediaHandler(BaseHTTPRequestHandler):
    """Serves the files over persistent connections, with Content-Length."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        size = int(self.path.split("/")[1])
        self.send_response(200)
        self.send_header("Content-Type", "video/mp4")
        self.send_header("Content-Length", str(size))
        self.end_headers()
        self.wfile.write(HEAD[:size])
        for sent in range(len(HEAD), size, len(BLOCK)):
            self.wfile.write(BLOCK[: size - sent])

    def log_message(self, format: str, *args: object) -> None:
        """Log nothing."""


if __name__ == "__main__":
    with ThreadingHTTPServer(("127.0.0.1", 0), MediaHandler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        print(f"http://127.0.0.1:{server.server_address[1]}", flush=True)
        sys.stdin.read()  # until the parent process ends
