"""Takes calls that are held: checks who asks, makes a room for each, and has the caller brought there.

    RINGBACK_API_KEY=… python examples/held_calls.py SECRET [PORT]

SECRET is the ``hmac`` of the dial-in configuration. Nothing but Python is needed. A bot of yours would join the room
before ``pinlessCallUpdate``; here the caller starts it alone.
"""

import base64
import hashlib
import hmac
import json
import os
import sys
import threading
import time
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

BASE = os.environ.get("RINGBACK_URL", "http://127.0.0.1:7880")
OLDEST = 300.0
"""Seconds after which a signature counts no more."""


def ask(path: str, body: dict[str, Any]) -> Any:
    """One request to the API."""
    headers = {"Authorization": f"Bearer {os.environ['RINGBACK_API_KEY']}", "Content-Type": "application/json"}
    request = urllib.request.Request(f"{BASE}/v1{path}", json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.load(answer)


def take(call: dict[str, Any]) -> None:
    """Make a room for a held caller, and bring it there."""
    starts = {"allow_room_start": True, "max_idle_timeout_sec": 60}
    sip = {"sip_mode": "dial-in", "display_name": call["From"][:100], "dialin_config": starts}
    room = ask("/rooms", {"properties": {"exp": int(time.time()) + 3600, "sip": sip}})
    endpoint = room["config"]["sip_uri"]["endpoint"]
    ask("/dialin/pinlessCallUpdate", {"callId": call["callId"], "callDomain": call["callDomain"], "sipUri": endpoint})
    print(f"{call['From']} is in {room['name']}", flush=True)


class Receiver(BaseHTTPRequestHandler):
    secret = b""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        if not self.is_signed(body):
            self.send_error(401)
            return
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()
        news = json.loads(body)
        if "callId" in news:  # else it is the test request
            threading.Thread(target=take, args=(news,)).start()

    def is_signed(self, body: bytes) -> bool:
        timestamp = self.headers.get("X-Pinless-Timestamp", "")
        if not timestamp.isdecimal() or abs(time.time() - int(timestamp) / 1000) > OLDEST:
            return False
        digest = hmac.new(self.secret, timestamp.encode() + b"." + body, hashlib.sha256).digest()
        return hmac.compare_digest(base64.b64encode(digest).decode(), self.headers.get("X-Pinless-Signature", ""))

    def log_message(self, *_: object) -> None:
        """Quiet."""


def main() -> None:
    Receiver.secret = base64.b64decode(sys.argv[1])
    port = int(sys.argv[2]) if len(sys.argv) > 2 else 8900
    server = ThreadingHTTPServer(("127.0.0.1", port), Receiver)
    print(f"waiting for held calls on http://127.0.0.1:{server.server_port}/", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
