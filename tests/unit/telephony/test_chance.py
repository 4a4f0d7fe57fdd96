"""Tokens and ids that nobody can guess and nobody gets twice."""

import uuid

from ringback.telephony.chance import POOL, SystemChance


def test_no_token_and_no_id_comes_twice():
    chance = SystemChance()
    count = POOL // 4  # over several fetches of the pool
    assert len({chance.token() for _ in range(count)} | {chance.call() for _ in range(count)}) == 2 * count


def test_a_token_is_96_random_bits_behind_the_prefix_without_what_no_token_may_have():
    token = SystemChance("node 1/x").token()
    assert token.startswith("node1x")
    assert len(bytes.fromhex(token.removeprefix("node1x"))) == 12


def test_a_call_id_is_a_random_uuid():
    chance = SystemChance()
    for _ in range(100):
        made = uuid.UUID(text := chance.call())
        assert (made.version, made.variant, str(made)) == (4, uuid.RFC_4122, text)
