"""The plainest peer there can be: Python's own web server around the network, for tests of the runner."""

import json
import os
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[3] / "loadtest" / "peers" / "servers"))
from peer_network import HOST, PORT, load, read

network = load()
answered = count()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        scores = network([read(self.rfile.read(int(self.headers["Content-Length"])))])[0]
        if os.environ.get("STUBBORN") and next(answered):  # right the first time only
            scores = [2.0, -1.0]
        body = json.dumps(scores).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


ThreadingHTTPServer((HOST, PORT), Handler).serve_forever()
