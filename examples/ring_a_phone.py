"""Make a room, have it ring a SIP phone, and follow the call until it is over.

export RINGBACK_API_KEY=…
.venv/bin/ringback phone answer --port 5070        # in another terminal
.venv/bin/python examples/ring_a_phone.py sip:bob@127.0.0.1:5070
"""

import os
import sys
import time

import httpx

BASE_URL = os.environ.get("RINGBACK_URL", "http://127.0.0.1:7880").rstrip("/") + "/v1"
KEY = os.environ["RINGBACK_API_KEY"]

PROPERTIES = {
    "enable_dialout": True,
    # Nobody has to be there first: the call starts the meeting, and may wait a minute for somebody to come.
    "dialout_config": {"allow_room_start": True, "max_idle_timeout_sec": 60},
    "exp": int(time.time()) + 3600,
}


def main(address: str) -> None:
    with httpx.Client(base_url=BASE_URL, headers={"Authorization": f"Bearer {KEY}"}) as api:
        room = api.post("/rooms", json={"properties": PROPERTIES}).raise_for_status().json()
        print("room:", room["url"])

        start = api.post(f"/rooms/{room['name']}/dialOut/start", json={"sipUri": address}).raise_for_status().json()
        state = None
        while state != "ended":
            call = api.get(f"/ringback/calls/{start['sessionId']}").raise_for_status().json()
            if call["state"] != state:
                state = call["state"]
                print("call:", state, (call["end"] or {}).get("sentence", ""))
            time.sleep(0.5)


if __name__ == "__main__":
    main(sys.argv[1])
