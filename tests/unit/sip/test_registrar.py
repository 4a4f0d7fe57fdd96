"""The registrar: RFC 3261 §10.3, RFC 3327, RFC 5626, and attacks A1 to A7 and C4."""

import random

import pytest

from ringback.sip.digest import Authenticator
from ringback.sip.errors import SipParseError
from ringback.sip.flow import Flow
from ringback.sip.message import Request, Response
from ringback.sip.parser import parse
from ringback.sip.registrar import Answer, Caller, Registrar
from unit.sip.accounts import HOME, Desk, a_request, row, with_credentials
from unit.sip.test_fuzz import mutate

PHONE = "<sip:ann@10.1.1.1:5062>"
TCP = Flow("tcp", "192.0.2.1", 40000)
INSTANCE = '+sip.instance="<urn:uuid:00000000-0000-1000-8000-000a95a0e128>"'


@pytest.fixture
def desk() -> Desk:
    return Desk()


def invite(desk: Desk, user: str = "ann", host: str = "sip.test", as_user: str = "", flow: Flow = HOME) -> Caller:
    first = a_request("INVITE", user, host, [PHONE], to="sip:123456789012@sip.test")
    ask = lambda it: desk.registrar.caller(it, flow, ("198.51.100.1", 5060), desk.now)  # noqa: E731
    caller: Caller = desk.log_in(first, ask, as_user or user, flow=flow)
    return caller


def test_a_phone_registers_and_is_found_where_it_came_from(desk: Desk):
    answer = desk.register(PHONE)

    assert answer.status == 200
    assert row(answer, "contact") == ["<sip:ann@10.1.1.1:5062>;expires=3600"]
    assert row(answer, "date") == ["Mon, 12 Jan 1970 14:03:20 GMT"]
    assert answer.change is not None
    assert [binding.contact for binding in answer.change.bindings] == ["sip:ann@10.1.1.1:5062"]
    place = desk.registrar.places("acme/ann", desk.at)[0]
    assert place.flow == HOME
    assert place.binding.expires_at == desk.now.wall + 3600


def test_a_way_over_which_somebody_is_reached_is_known_until_nobody_is(desk: Desk):
    desk.register(PHONE, f"{PHONE.replace('5062', '5064')}")
    assert desk.registrar.is_home(HOME)

    desk.register(f"{PHONE};expires=0", cseq=2)
    assert desk.registrar.is_home(HOME), "the other one is left"

    desk.registrar.forget("acme/ann")
    assert not desk.registrar.is_home(HOME)
    assert not desk.registrar._flows


def test_a_challenge_offers_sha_256_before_md5(desk: Desk):
    """RFC 8760 §2.4."""
    first = desk.registrar.register(a_request("REGISTER", "ann"), HOME, desk.now)

    assert [value.split("algorithm=")[1].split(",")[0] for value in row(first, "www-authenticate")] == [
        "SHA-256",
        "MD5",
    ]
    assert all('realm="acme"' in value for value in row(first, "www-authenticate"))


def test_a_phone_that_stumbles_over_sha_256_is_asked_for_md5_alone(desk: Desk):
    """baresip 1.0 answers any SHA-256 challenge with an error, even beside an MD5 one."""
    first = a_request("REGISTER", "ann", rows=[("User-Agent", "baresip v1.0.0 (x86_64/linux)")])
    answer = desk.registrar.register(first, HOME, desk.now)

    assert len(row(answer, "www-authenticate")) == 1
    assert "algorithm=MD5" in row(answer, "www-authenticate")[0]
    newer = a_request("REGISTER", "ann", rows=[("User-Agent", "baresip v2.10.0")])
    assert len(row(desk.registrar.register(newer, HOME, desk.now), "www-authenticate")) == 2


@pytest.mark.parametrize(
    ("contact", "general", "lasts"),
    [
        (PHONE, None, 3600),
        (PHONE, "120", 120),
        (f"{PHONE};expires=90", "120", 90),
        (f"{PHONE};expires=soon", "120", 120),
        (PHONE, "soon", 3600),
        (PHONE, "999999999999999", 7200),
        (f"{PHONE};expires=60", None, 60),
    ],
)
def test_the_contacts_own_expiry_goes_before_the_headers(desk: Desk, contact: str, general: str | None, lasts: int):
    answer = desk.register(contact, rows=[("Expires", general)] if general else [])

    assert row(answer, "contact") == [f"<sip:ann@10.1.1.1:5062>;expires={lasts}"]


def test_too_short_is_423_and_says_what_is_enough(desk: Desk):
    """C4."""
    answer = desk.register(f"{PHONE};expires=59")

    assert (answer.status, row(answer, "min-expires"), answer.change) == (423, ["60"], None)


def test_a_binding_ends_when_its_time_is_over(desk: Desk):
    desk.register(f"{PHONE};expires=60")
    desk.at += 59.9
    assert desk.clients_contacts() == ["sip:ann@10.1.1.1:5062"]
    desk.at += 0.2

    assert desk.clients_contacts() == []
    assert desk.registrar.count == 0


def test_a_binding_does_not_outlive_its_account(desk: Desk):
    desk.accounts.expire("acme", "ann", desk.now.wall + 300)

    assert row(desk.register(PHONE), "contact") == ["<sip:ann@10.1.1.1:5062>;expires=300"]


def test_asking_without_contact_fetches(desk: Desk):
    desk.register(PHONE, f"{PHONE.replace('5062', '5064')};q=0.5")

    answer = desk.register(cseq=2)

    assert answer.change is None
    assert sorted(row(answer, "contact")) == [
        "<sip:ann@10.1.1.1:5062>;expires=3600",
        "<sip:ann@10.1.1.1:5064>;expires=3600;q=0.5",
    ]


def test_preferred_places_come_first(desk: Desk):
    desk.register(f"{PHONE.replace('5062', '5064')};q=0.5", PHONE)

    assert desk.clients_contacts() == ["sip:ann@10.1.1.1:5062", "sip:ann@10.1.1.1:5064"]


def test_the_same_contact_spelt_otherwise_is_the_same_place(desk: Desk):
    desk.register("<sip:ann@Phone.Test:5062>")
    desk.register("<sip:%61nn@phone.test:5062;ob>", cseq=2)

    assert desk.clients_contacts() == ["sip:%61nn@phone.test:5062;ob"]


def test_expires_0_takes_one_place_away_and_a_star_all(desk: Desk):
    other = PHONE.replace("5062", "5064")
    desk.register(PHONE, other)

    assert desk.register(f"{other};expires=0", cseq=2).status == 200
    assert desk.clients_contacts() == ["sip:ann@10.1.1.1:5062"]
    assert desk.register("*", rows=[("Expires", "0")], cseq=3).status == 200
    assert desk.clients_contacts() == []


@pytest.mark.parametrize("rows", [[], [("Expires", "60")], [("Expires", "x")]])
def test_a_star_needs_expires_0(desk: Desk, rows: list[tuple[str, str]]):
    desk.register(PHONE)

    assert desk.register("*", rows=rows, cseq=2).status == 400
    assert desk.clients_contacts() == ["sip:ann@10.1.1.1:5062"]


@pytest.mark.parametrize("contact", [f"{PHONE};expires=0", "*"])
def test_an_older_register_of_the_same_phone_undoes_nothing(desk: Desk, contact: str):
    """§10.3 step 7: Call-ID and CSeq keep the order."""
    desk.register(PHONE, cseq=7)

    assert desk.register(contact, rows=[("Expires", "0")], cseq=6).status == 500
    assert desk.clients_contacts() == ["sip:ann@10.1.1.1:5062"]
    assert desk.register(contact, rows=[("Expires", "0")], cseq=1, call_id="rebooted").status == 200


def test_ten_places_and_no_more(desk: Desk):
    """C4."""
    for number in range(10):
        assert desk.register(f"<sip:ann@10.1.1.1:{6000 + number}>", cseq=number + 1).status == 200

    eleventh = desk.register("<sip:ann@10.1.1.1:7000>", cseq=11)

    assert (eleventh.status, eleventh.change) == (403, None)
    assert len(desk.clients_contacts()) == 10
    assert desk.register("<sip:ann@10.1.1.1:6000>", cseq=12).status == 200


def test_one_register_may_not_bring_more_than_ten(desk: Desk):
    """C4."""
    answer = desk.register(*(f"<sip:ann@10.1.1.1:{6000 + number}>" for number in range(11)))

    assert answer.status == 403
    assert desk.registrar.count == 0


def test_all_contacts_of_a_request_are_taken_or_none(desk: Desk):
    assert desk.register(PHONE, f"{PHONE.replace('5062', '1')};expires=5").status == 423
    assert desk.clients_contacts() == []


@pytest.mark.parametrize("contact", ["<tel:+4930123>", "<mailto:ann@sip.test>"])
def test_only_sip_contacts(desk: Desk, contact: str):
    assert desk.register(contact).status == 400


# ── RFC 3327 and RFC 5626 ──


def test_the_path_is_kept_and_told_to_who_knows_it(desk: Desk):
    rows = [("Path", "<sip:edge.test;lr>"), ("Path", "<sip:inner.test;lr>"), ("Supported", "path")]

    answer = desk.register(PHONE, rows=rows)

    assert row(answer, "path") == ["<sip:edge.test;lr>", "<sip:inner.test;lr>"]
    assert desk.registrar.places("acme/ann", desk.at)[0].binding.path == ("<sip:edge.test;lr>", "<sip:inner.test;lr>")
    assert row(desk.register(PHONE, rows=rows[:2], cseq=2), "path") == []


def test_a_new_connection_of_the_same_phone_replaces_the_old_one(desk: Desk):
    """RFC 5626 §6."""
    rows = [("Supported", "path, outbound")]
    contact = f"{PHONE};{INSTANCE};reg-id=1"
    first = desk.register(contact, flow=TCP, rows=rows)

    moved = TCP._replace(port=40001)
    desk.register(contact.replace("5062", "5099"), flow=moved, rows=rows, call_id="two")

    assert row(first, "require") == ["outbound"]
    assert row(first, "flow-timer") == ["120"]
    assert INSTANCE in row(first, "contact")[0]
    assert [place.flow for place in desk.registrar.places("acme/ann", desk.at)] == [moved]


def test_two_flows_of_one_phone_are_two_places(desk: Desk):
    rows = [("Supported", "outbound")]
    desk.register(f"{PHONE};{INSTANCE};reg-id=1", flow=TCP, rows=rows)
    desk.register(f"{PHONE};{INSTANCE};reg-id=2", flow=TCP._replace(port=40001), rows=rows, call_id="two")

    assert len(desk.clients_contacts()) == 2


def test_a_proxy_that_does_not_know_outbound_is_told_of(desk: Desk):
    """RFC 5626 §6: 439."""
    contact = f"{PHONE};{INSTANCE};reg-id=1"
    via = ("Via", "SIP/2.0/TCP 10.1.1.1;branch=z9hG4bKphone")
    rows = [("Supported", "outbound, path"), via]

    assert desk.register(contact, flow=TCP, rows=rows).status == 439
    edge = ("Path", "<sip:token@edge.test;lr;ob>")
    assert row(desk.register(contact, flow=TCP, rows=[*rows, edge], cseq=2), "require") == ["outbound"]


def test_a_phone_on_udp_that_its_router_gave_another_port_replaces_where_it_was(desk: Desk):
    """RFC 5626 §6, §4.4.2: it keeps its flow by STUN, in its own time."""
    rows = [("Supported", "outbound")]
    contact = f"{PHONE};{INSTANCE};reg-id=1"
    first = desk.register(contact, rows=rows)
    moved = HOME._replace(port=40001)
    desk.register(contact, flow=moved, rows=rows, call_id="two")

    assert (row(first, "require"), row(first, "flow-timer")) == (["outbound"], [])
    assert [place.flow for place in desk.registrar.places("acme/ann", desk.at)] == [moved]


def test_phones_behind_nat_get_keep_alives_and_others_none(desk: Desk):
    desk.register(PHONE)
    desk.register("<sip:bob@192.0.2.1:5062>", user="bob")

    assert desk.registrar.behind_nat(desk.at) == [HOME]


# ── attacks ──


def test_a_replayed_register_is_stale(desk: Desk):
    """A1: the same credentials again, in another transaction."""
    first = a_request("REGISTER", "ann", contacts=[PHONE])
    challenge = desk.registrar.register(first, HOME, desk.now)
    good = with_credentials(first, challenge, "ann", "wonderland-7", HOME)
    assert desk.registrar.register(good, HOME, desk.now).status == 200

    again = desk.registrar.register(good, HOME, desk.now)

    assert again.status == 401
    assert "stale=true" in row(again, "www-authenticate")[0]


def test_a_nonce_made_for_somebody_else_is_stale(desk: Desk):
    """A2."""
    first = a_request("REGISTER", "ann", contacts=[PHONE])
    challenge = desk.registrar.register(first, HOME, desk.now)
    stolen = with_credentials(first, challenge, "ann", "wonderland-7", HOME)

    answer = desk.registrar.register(stolen, Flow("udp", "203.0.113.9", 5060), desk.now)

    assert (answer.status, desk.registrar.count) == (401, 0)


@pytest.mark.parametrize("to", ["sip:bob@sip.test", "sip:ann@globex.sip.test", "sip:sip.test", "sip:Ann@sip.test"])
def test_nobody_registers_for_somebody_else(desk: Desk, to: str):
    """A5."""
    answer = desk.register(PHONE, to=to)

    assert answer.status in (401, 403)
    assert desk.registrar.count == 0


def test_the_same_name_in_two_domains_is_two_accounts(desk: Desk):
    desk.register(PHONE)
    desk.register("<sip:ann@10.2.2.2>", host="globex.sip.test")

    assert desk.clients_contacts("acme/ann") == ["sip:ann@10.1.1.1:5062"]
    assert desk.clients_contacts("globex/ann") == ["sip:ann@10.2.2.2"]


def test_unknown_users_are_answered_like_wrong_passwords(desk: Desk):
    """A6: same status, same headers, as often as they try."""

    def shape(answer: Answer) -> tuple[int, list[str]]:
        return answer.status, [name for name, _ in answer.rows]

    wrong = [shape(desk.register(PHONE, password="x", flow=Flow("udp", "203.0.113.1", 1))) for _ in range(8)]
    nobody = [shape(desk.register(PHONE, user="eve", flow=Flow("udp", "203.0.113.2", 1))) for _ in range(8)]

    assert wrong == nobody
    assert shape(desk.register(PHONE, host="nowhere.test", password="x"))[0] == 401


def test_after_five_failures_even_the_right_password_waits_longer_and_longer(desk: Desk):
    """A7."""
    thief = Flow("udp", "203.0.113.1", 1)
    for _ in range(5):
        assert desk.register(PHONE, password="x", flow=thief).rule == "login failed"
    pauses = []
    for _ in range(4):
        assert desk.register(PHONE, flow=thief).rule == "login held back after failures"
        began = desk.at
        while desk.register(PHONE, password="x", flow=thief).rule != "login failed":
            desk.at += 0.5
        pauses.append(desk.at - began)

    assert pauses == [1.0, 2.0, 4.0, 8.0]
    desk.at += 16.0
    assert desk.register(PHONE, flow=thief).status == 200


def test_a_pause_is_never_longer_than_a_quarter_of_an_hour(desk: Desk):
    """A7."""
    thief = Flow("udp", "203.0.113.1", 1)
    for _ in range(30):
        desk.register(PHONE, password="x", flow=thief)
        desk.at += 900.0

    assert desk.register(PHONE, flow=thief).status == 200


def test_guessing_from_many_places_is_held_back_by_the_user(desk: Desk):
    """A7."""
    for number in range(5):
        desk.register(PHONE, password="x", flow=Flow("udp", f"203.0.113.{number}", 1))

    assert desk.register(PHONE, flow=Flow("udp", "203.0.113.99", 1)).rule == "login held back after failures"


def test_a_proxy_in_front_of_many_phones_is_not_held_back_for_one_of_them(desk: Desk):
    """A7: the user still is."""
    desk.registrar = Registrar(
        desk.accounts, Authenticator(b"k" * 32, "acme", "n1", desk.accounts.proof), is_proxy=lambda flow: flow == HOME
    )
    for _ in range(8):
        desk.register(PHONE, password="x")

    assert desk.register(PHONE).rule == "login held back after failures"
    assert desk.register("<sip:bob@10.1.1.1>", user="bob").status == 200


def test_guessing_does_not_lock_out_the_phone_that_is_registered(desk: Desk):
    """A7: its binding stays, and where it is registered from it may go on."""
    desk.register(PHONE)
    for _ in range(20):
        desk.register(PHONE, password="x", flow=Flow("udp", "203.0.113.1", 1))

    assert desk.clients_contacts() == ["sip:ann@10.1.1.1:5062"]
    assert desk.register(PHONE, cseq=2).status == 200


def test_what_could_not_be_stored_did_not_happen(desk: Desk):
    desk.register(PHONE)
    answer = desk.register("<sip:ann@10.9.9.9>", cseq=2)
    assert answer.change is not None

    desk.registrar.undo(answer.change)

    assert desk.clients_contacts() == ["sip:ann@10.1.1.1:5062"]


def test_what_an_earlier_process_stored_is_there_until_it_expires(desk: Desk):
    answer = desk.register(f"{PHONE};expires=100")
    assert answer.change is not None
    later = Desk()
    later.at = desk.at + 40

    later.registrar.restore("acme/ann", answer.change.bindings[0], later.now)

    assert later.clients_contacts() == ["sip:ann@10.1.1.1:5062"]
    later.at += 61
    assert later.clients_contacts() == []


def test_no_spelling_of_a_register_is_an_exception(desk: Desk):
    """F9: whoever is logged in may still send anything."""
    chance = random.Random(11)
    client = desk.accounts.clients["acme", "ann"]
    rows = [("Path", "<sip:edge.test;lr;ob>"), ("Supported", "path, outbound"), ("Expires", "600")]
    data = a_request(
        "REGISTER", "ann", contacts=[f"{PHONE};{INSTANCE};reg-id=1;q=0.5;expires=90"], rows=rows
    ).to_bytes()
    statuses = set()
    for _ in range(4000):
        try:
            message = parse(mutate(data, chance))
            if isinstance(message, Request):
                answer = desk.registrar._bind(client, message, chance.choice([HOME, TCP]), desk.now)
                statuses.add(answer.status)
                Response(answer.status, "x", answer.rows).to_bytes()
                for binding in answer.change.bindings if answer.change else []:
                    str(binding).encode()
        except SipParseError:
            continue
        desk.at += 60.0

    assert {200, 400, 500} <= statuses <= {200, 400, 403, 423, 439, 500}


@pytest.mark.parametrize("number", ["000000000001" + "9" * 5000, "\u0661", "-1", "1.0"])
def test_a_number_of_a_flow_that_is_none_is_no_flow(desk: Desk, number: str):
    """F9: Python reads no number of more than 4300 digits, and reads digits that are not ours."""
    answer = desk.register(f"{PHONE};{INSTANCE};reg-id={number}")

    assert answer.status == 200
    assert [binding.reg_id for binding in answer.change.bindings] == [0]  # type: ignore[union-attr]


# ── who calls ──


def test_a_caller_with_an_address_of_ours_has_to_prove_it(desk: Desk):
    """A5, A6: challenged whether there is such an account or not."""
    caller = invite(desk)

    assert (caller.client, caller.domain, caller.refusal) == ("ann", "id-acme", None)
    for user in ("ann", "eve"):
        refusal = invite(desk, user, as_user="eve").refusal
        assert refusal is not None
        assert refusal.status == 401


def test_nobody_calls_in_somebody_elses_name(desk: Desk):
    """A5."""
    refusal = invite(desk, "bob", as_user="ann").refusal

    assert refusal is not None
    assert (refusal.status, refusal.rule) == (403, "INVITE from somebody else's address")


def test_a_caller_from_elsewhere_is_a_stranger(desk: Desk):
    assert invite(desk, host="phones.example") == Caller()
    assert invite(desk, host="sip.test:5099") == Caller()


def test_our_ip_address_counts_as_our_name(desk: Desk):
    assert invite(desk, host="198.51.100.1").client == "ann"


def test_a_trunk_that_writes_our_host_into_from_is_not_asked_but_a_phone_beside_it_is(desk: Desk):
    """A carrier's From is often ``number@our-host``."""
    first = a_request("INVITE", "ann", contacts=[PHONE], to="sip:123456789012@sip.test")
    ask = lambda: desk.registrar.caller(first, HOME, ("198.51.100.1", 5060), desk.now, True)  # noqa: E731

    assert ask() == Caller()
    desk.register(PHONE)
    refusal = ask().refusal
    assert refusal is not None
    assert refusal.status == 401
