import asyncio
from pathlib import Path
from interop.test_dial_out import *
async def test_x(tmp_path: Path) -> None:
    port = str(free_port())
    settings = {"LIMITS__MAX_SIP_PSTN_SESSIONS_PER_ROOM": "25", "HTTP__RATE_LIMITS": "on"}
    async with (
        Server(tmp_path / "server", settings) as server,
        Phone(tmp_path, "answer", "--port", port, "--refuse", "486") as phone,
    ):
        await server.room("many", dialout_config={"allow_room_start": True, "max_idle_timeout_sec": 30})
        await phone.event("waiting")
        answers = await asyncio.gather(*[
            server.rest("POST", "/rooms/many/dialOut/start", {"sipUri": f"sip:p{number}@127.0.0.1:{port}"})
            for number in range(20)
        ])
        for a in answers: print(a)
        print((await server.rest("GET","/")).body)
        assert {a.status for a in answers} == {200}, [a for a in answers if a.status != 200]
