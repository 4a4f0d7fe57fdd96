"""An application's own server in a few lines: checks that webhooks are from us, and prints what happened.

.venv/bin/python examples/webhook_receiver.py 8090          # in another terminal
RINGBACK_WEBHOOKS__ALLOW_PRIVATE=true, which `ringback dev` has on, lets the server speak to this machine.
"""

import base64
import hashlib
import hmac
import json
import os
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

SECRET = os.environ.get("WEBHOOK_SECRET", "")
"""The ``hmac`` that the webhook was made with; without it nothing is checked."""

OLDEST = 300.0
"""Seconds after which a delivery is taken for a replay."""


class Receiver(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if SECRET and not self.is_genuine(body):
            self.send_error(401)
            return
        # Anything but a 200 is a failure, and comes again.
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()
        told = json.loads(body)
        if "type" in told:
            # Line and end of line in one piece, as several webhooks may come at once.
            print(json.dumps({"type": told["type"], **told["payload"]}) + "\n", end="", flush=True)

    def is_genuine(self, body: bytes) -> bool:
        timestamp = self.headers.get("X-Webhook-Timestamp", "0")
        signed = hmac.digest(base64.b64decode(SECRET), timestamp.encode() + b"." + body, hashlib.sha256)
        given = self.headers.get("X-Webhook-Signature", "")
        fresh = abs(time.time() - int(timestamp) / 1000) < OLDEST
        return fresh and hmac.compare_digest(base64.b64encode(signed).decode(), given)

    def log_message(self, *_: object) -> None:
        pass


if __name__ == "__main__":
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 8090
    ThreadingHTTPServer(("127.0.0.1", port), Receiver).serve_forever()
