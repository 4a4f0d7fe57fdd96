"""SIP clients: tenants see only their own, limits hold, and no password rests anywhere."""

from pathlib import Path

from contract.house import House, a_house
from ringback.model.sip_client import Binding
from ringback.sip.digest import digest

PASSWORD = "correct-horse-7"


async def as_other(house: House, key: str, method: str, path: str, body: object = None) -> int:
    headers = {"Authorization": f"Bearer {key}"}
    return (await house.stranger.request(method, path, json=body, headers=headers)).status_code


async def test_each_domain_has_its_own_accounts_and_its_own_host(tmp_path: Path):
    async with a_house(tmp_path) as house:
        other = await house.other_key("globex")
        await house.ask("POST", "/v1/sip-clients", {"username": "alice"})

        assert await as_other(house, other, "GET", "/v1/sip-clients/alice") == 404
        assert await as_other(house, other, "DELETE", "/v1/sip-clients/alice") == 404
        assert await as_other(house, other, "POST", "/v1/sip-clients/alice/rotate") == 404
        assert await as_other(house, other, "POST", "/v1/sip-clients", {"username": "alice"}) == 200
        clients = house.services.sip_clients
        assert {clients.host(c) for c in (clients.find("acme", "alice"), clients.find("globex", "alice")) if c} == {
            "sip.example.test",
            "globex.sip.example.test",
        }
        assert clients.realm("sip.example.test") == clients.realm("192.0.2.1") == "acme"
        assert clients.realm("globex.sip.example.test") == "globex"


async def test_a_domain_has_at_most_a_hundred(tmp_path: Path):
    async with a_house(tmp_path) as house:
        for number in range(100):
            status, _ = await house.ask("POST", "/v1/sip-clients", {"username": f"u{number}", "password": PASSWORD})
            assert status == 200
        status, answer = await house.ask("POST", "/v1/sip-clients", {"username": "one-more"})

        assert (status, answer["error"]) == (400, "invalid-request-error")
        assert "at most 100" in answer["info"]
        other = await house.other_key()
        assert await as_other(house, other, "POST", "/v1/sip-clients", {"username": "u1"}) == 200


async def test_a_domain_sees_where_its_own_phones_are(tmp_path: Path):
    async with a_house(tmp_path) as house:
        other = await house.other_key()
        binding = Binding(
            "k", "sip:a@10.1.1.1", "udp", "192.0.2.7", 5062, house.clock.wall() + 60, "c", 1, user_agent="A phone"
        )
        house.services.places = lambda client: [binding] if client.username == "alice" else []
        await house.ask("POST", "/v1/sip-clients", {"username": "alice"})

        _, answer = await house.ask("GET", "/v1/ringback/registrations")

        [row] = answer["data"]
        assert (row["username"], row["contact"], row["source"]) == ("alice", "sip:a@10.1.1.1", "udp:192.0.2.7:5062")
        headers = {"Authorization": f"Bearer {other}"}
        assert (await house.stranger.get("/v1/ringback/registrations", headers=headers)).json() == {"data": []}


async def test_an_account_ends_when_its_time_is_over_and_its_name_is_free_again(tmp_path: Path):
    async with a_house(tmp_path) as house:
        body = {"username": "alice", "expires_in_seconds": 60}
        await house.ask("POST", "/v1/sip-clients", body)
        await house.clock.run_for(59)
        assert (await house.ask("GET", "/v1/sip-clients/alice"))[0] == 200
        await house.clock.run_for(2)

        assert (await house.ask("GET", "/v1/sip-clients/alice"))[0] == 404
        assert (await house.ask("GET", "/v1/sip-clients"))[1] == {"sip_clients": []}
        assert house.services.sip_clients.find("acme", "alice") is None
        assert (await house.ask("POST", "/v1/sip-clients", body))[0] == 200


async def test_neither_a_password_nor_what_proves_it_is_readable_at_rest(tmp_path: Path):
    async with a_house(tmp_path) as house:
        await house.ask("POST", "/v1/sip-clients", {"username": "alice", "password": PASSWORD})
        octets = b"".join(file.read_bytes() for file in tmp_path.glob("ringback.db*"))  # noqa: ASYNC240

        assert b"alice" in octets
        for secret in (PASSWORD, *(digest(name, "alice", "acme", PASSWORD) for name in ("md5", "sha-256"))):
            assert secret.encode() not in octets
        assert PASSWORD not in repr(house.services.sip_clients.find("acme", "alice"))


async def test_an_account_may_dial_numbers_only_while_that_is_switched_on(tmp_path: Path):
    async with a_house(tmp_path) as house:
        clients, domain = house.services.sip_clients, house.domain.id
        _, made = await house.ask("POST", "/v1/sip-clients", {"username": "alice"})
        assert "ringback" not in made
        assert not clients.may_dial_numbers(domain, "alice")

        on = {"ringback": {"dial_numbers": True}}
        _, changed = await house.ask("POST", "/v1/sip-clients/alice", on)
        assert changed["ringback"] == {"dial_numbers": True}
        assert clients.may_dial_numbers(domain, "alice")
        assert not clients.may_dial_numbers(domain, "nobody")
        await house.ask("POST", "/v1/sip-clients/alice", {})
        assert clients.may_dial_numbers(domain, "alice"), "what is not said stays"
        await house.ask("POST", "/v1/sip-clients/alice", {"ringback": {"dial_numbers": False}})
        assert not clients.may_dial_numbers(domain, "alice")

        await house.ask("POST", "/v1/sip-clients", {"username": "bob", **on})
        assert clients.may_dial_numbers(domain, "bob")
        other = await house.other_key()
        assert await as_other(house, other, "POST", "/v1/sip-clients/bob", {"ringback": {"dial_numbers": False}}) == 404
        for wrong in (True, {"dial_numbers": 1}, {"dials": True}):
            status, answer = await house.ask("POST", "/v1/sip-clients/bob", {"ringback": wrong})
            assert (status, answer["error"]) == (400, "invalid-request-error")
        assert (await house.ask("POST", "/v1/sip-clients/bob", {"username": "eve"}))[0] == 400
