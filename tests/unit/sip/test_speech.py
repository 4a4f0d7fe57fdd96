"""Whatever the grammar lets a stranger say is taken, and means what was meant; in one piece or octet by octet."""

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ringback.sip.framing import Framer
from ringback.sip.message import Message, Request
from ringback.sip.parser import parse
from ringback.sip.uri import parse_uri
from unit.sip.speech import Said, requests, uris
from unit.sip.test_compiled import COMPILED, everything

QUIET = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def assert_meant(found: Message, said: Said) -> None:
    assert isinstance(found, Request)
    assert (found.method, found.target) == (said.method, said.uri)
    assert (found.call_id, found.cseq.number, found.cseq.method) == (said.call_id, said.cseq, said.method)
    assert found.from_.tag == said.from_tag
    assert found.top_via.parameters["branch"] == said.branch
    assert found.body == said.body
    unknown = [(name, value) for name, value in found.headers.rows if name.lower().startswith("x-")]
    assert [(name.lower(), value) for name, value in unknown] == [(name.lower(), value) for name, value in said.extra]


@QUIET
@given(requests())
def test_a_request_means_what_was_said(said: Said):
    assert_meant(parse(said.data), said)


@QUIET
@given(requests())
def test_a_request_that_is_written_again_means_the_same(said: Said):
    assert_meant(parse(parse(said.data).to_bytes()), said)


@QUIET
@given(requests())
def test_the_compiled_reader_hears_the_same(said: Said):
    assert everything(COMPILED(said.data)) == everything(parse(said.data))


@QUIET
@given(st.lists(requests(), min_size=1, max_size=3), st.integers(1, 200))
def test_a_stream_is_cut_into_what_was_said(all_said: list[Said], size: int):
    framer, found = Framer(0.0), list[Message]()
    data = b"\r\n\r\n".join(said.data for said in all_said)
    for at in range(0, len(data), size):
        found += framer.feed(data[at : at + size], 0.0)

    assert len(found) == len(all_said)
    for one, said in zip(found, all_said, strict=True):
        assert_meant(one, said)


@QUIET
@given(uris())
def test_an_address_that_is_read_and_written_is_the_same_address(text: str):
    uri = parse_uri(text)

    assert parse_uri(str(uri)) == uri
