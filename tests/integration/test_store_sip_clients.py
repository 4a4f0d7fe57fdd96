"""Accounts of SIP phones and their registrations at rest, in a real database."""

from dataclasses import replace
from pathlib import Path

import pytest

from integration.store_house import DOMAIN, a_database
from ringback.model.errors import InvalidRequest
from ringback.model.sip_client import Binding, SipClient
from ringback.store.errors import StoreError

ANN = SipClient("id-ann", DOMAIN, "ann", "acme", {"md5": "5ba1", "sha-256": "5ba2"}, 1.0, 1000.0)
HOME = Binding(
    "k", "sip:ann@10.1.1.1", "tcp", "2001:db8::7", 5062, 500.0, "c", 7, ("<sip:edge;lr>",), "<urn:uuid:1>", 1, 0.5, "A"
)


async def test_what_was_stored_is_there_after_a_restart(tmp_path: Path):
    async with a_database(tmp_path) as database:
        await database.sip_clients.insert(ANN, 100)
        assert await database.bindings.save("id-ann", [HOME])
    async with a_database(tmp_path) as database:
        assert await database.sip_clients.all() == [ANN]
        assert await database.bindings.all(499.0) == [("id-ann", HOME)]
        assert await database.bindings.all(500.0) == []
        assert await database.bindings.all(0.0) == [], "expired ones are deleted"


async def test_a_name_is_taken_once_in_a_domain_and_there_are_only_so_many(tmp_path: Path):
    async with a_database(tmp_path) as database:
        await database.sip_clients.insert(ANN, 2)
        twin = SipClient("other", DOMAIN, "ann", "acme", {}, 2.0)
        with pytest.raises(InvalidRequest, match="already exists"):
            await database.sip_clients.insert(twin, 2)
        await database.sip_clients.insert(SipClient("id-bob", DOMAIN, "bob", "acme", {}, 2.0), 2)
        with pytest.raises(InvalidRequest, match="at most 2"):
            await database.sip_clients.insert(SipClient("id-eve", DOMAIN, "eve", "acme", {}, 3.0), 2)


async def test_registrations_go_with_their_account_and_with_its_password(tmp_path: Path):
    async with a_database(tmp_path) as database:
        await database.sip_clients.insert(ANN, 100)
        await database.bindings.save("id-ann", [HOME])
        assert await database.sip_clients.replace(ANN)
        assert await database.bindings.all(0.0) == []
        await database.bindings.save("id-ann", [HOME])
        await database.sip_clients.delete(["id-ann"])

        assert await database.bindings.all(0.0) == []
        assert not await database.bindings.save("id-ann", [HOME]), "a phone that refreshes at that moment stays out"
        assert not await database.sip_clients.replace(ANN)


async def test_what_an_account_may_is_changed_without_forgetting_its_phones(tmp_path: Path):
    async with a_database(tmp_path) as database:
        await database.sip_clients.insert(ANN, 100)
        await database.bindings.save("id-ann", [HOME])
        may = replace(ANN, dials_numbers=True)
        assert await database.sip_clients.replace(may, forget_phones=False)

        assert await database.sip_clients.all() == [may]
        assert await database.bindings.all(0.0) == [("id-ann", HOME)]


async def test_another_secret_opens_nothing(tmp_path: Path):
    async with a_database(tmp_path) as database:
        await database.sip_clients.insert(ANN, 100)
    async with a_database(tmp_path, "another secret") as database:
        with pytest.raises(StoreError, match="RINGBACK_SECRET"):
            await database.sip_clients.all()
