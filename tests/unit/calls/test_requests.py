"""The body of a dial-out: every field's default, limit and text."""

import pytest

from ringback.calls.requests import validate
from ringback.model.errors import InvalidRequest

SIP = {"sipUri": "sip:bob@pbx.example"}
PHONE = {"phoneNumber": "+12025550123"}


def test_the_smallest_body_has_the_documented_defaults():
    request = validate(SIP)

    assert (request.target, request.display_name, request.user_id) == ("sip:bob@pbx.example", "bob", None)
    assert (request.video, request.audio_codecs, request.sip_headers, request.provider) == (False, (), (), "daily")
    assert request.accepted == SIP


def test_a_number_is_named_by_itself():
    request = validate(PHONE)

    assert (request.target, request.phone_number, request.display_name) == (None, "+12025550123", "+12025550123")


def test_an_empty_body_is_missing_its_required_field():
    with pytest.raises(InvalidRequest) as error:
        validate({})
    assert error.value.info == "missing required field"


@pytest.mark.parametrize(
    "extra",
    [
        {"waitBeforeExtensionDialSec": 0},
        {"video": False},
        {"videoSettings": {"width": 1280, "height": 720, "fps": 30, "videoBitrate": 1000}},
        {"videoSettings": {}, "video": False},
        {"codecs": {}},
        {"codecs": {"audio": ["PCMU"], "video": ["VP8", "H264"]}},
        {"displayName": "a" * 199},
        {"userId": "a" * 36},
        {"provider": "signalwire"},
        {"permissions": {"canReceive": {"base": False, "byUserId": {"u": {"audio": True}}}}},
        {"callerId": None, "extension": None, "userId": None},
    ],
)
def test_what_the_schema_allows_is_never_refused(extra: dict[str, object]):
    validate({**SIP, **extra})


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({"displayName": "x"}, "either a sip uri or phone number must be provided"),
        ({**SIP, **PHONE}, "only one of sip uri or phone number must be provided"),
        ({"sipUri": 7}, "sipUri must be a string"),
        ({"sipUri": "tel:+1"}, "Invalid SIP URI, must start with 'sip:'"),
        ({"phoneNumber": 7}, "phoneNumber must be a string"),
        ({"phoneNumber": "2025550123"}, "Invalid phone number, must be valid phone number as per E.164"),
        ({**SIP, "callerId": "x"}, "callerId not allowed with sipUri"),
        ({**PHONE, "callerId": 7}, "callerId must be a string"),
        ({**SIP, "displayName": 7}, "displayName must be a string"),
        ({**SIP, "displayName": "a" * 200}, "displayName length must be less than 200"),
        ({**SIP, "userId": 7}, "userId must be a string"),
        ({**SIP, "userId": "a" * 37}, "userId length must be less than or equal to 36"),
        ({**SIP, "video": "yes"}, "video must be a boolean value"),
        ({**SIP, "videoSettings": []}, "videoSettings must be an object"),
        ({**SIP, "videoSettings": {"width": 0}}, "videoSettings.width must be a positive integer"),
        ({**SIP, "videoSettings": {"width": True}}, "videoSettings.width must be a positive integer"),
        ({**SIP, "videoSettings": {"width": 1281}}, "videoSettings.width must be less than or equal to 1280"),
        ({**SIP, "videoSettings": {"height": 721}}, "videoSettings.height must be less than or equal to 720"),
        ({**SIP, "videoSettings": {"fps": 31}}, "videoSettings.fps must be less than or equal to 30"),
        (
            {**SIP, "videoSettings": {"videoBitrate": 1001}},
            "videoSettings.videoBitrate must be less than or equal to 1000 kbps",
        ),
        ({**SIP, "codecs": {"audio": "PCMU"}}, "audio codec must be an array"),
        ({**SIP, "codecs": {"audio": []}}, "audio codec array specified but empty"),
        ({**SIP, "codecs": {"audio": [7]}}, "audio codec must be a string"),
        ({**SIP, "codecs": {"audio": ["G729"]}}, "audio codec must be one of OPUS, PCMU, PCMA, G722"),
        ({**SIP, "codecs": {"video": []}}, "video codec array specified but empty"),
        ({**SIP, "codecs": {"video": ["AV1"]}}, "video codec must be H264 or VP8"),
        ({**PHONE, "extension": 7}, "extension must be a string"),
        ({**PHONE, "extension": "1" * 21}, "extension length must be less than or equal to 20"),
        (
            {**PHONE, "extension": "1", "waitBeforeExtensionDialSec": "3"},
            "waitBeforeExtensionDialSec must be a number",
        ),
        (
            {**PHONE, "extension": "1", "waitBeforeExtensionDialSec": 61},
            "waitBeforeExtensionDialSec must be less than or equal to 60",
        ),
        (
            {**SIP, "waitBeforeExtensionDialSec": 5},
            "waitBeforeExtensionDialSec requires a phoneNumber and extension",
        ),
        ({**PHONE, "provider": "daily"}, "provider valid only for sipUri, not phoneNumber"),
        ({**SIP, "provider": "acme"}, "Error: provider can be set only to 'daily' or 'signalwire', got: acme"),
        ({**SIP, "max": 7}, '"max" is not allowed [Received max=7]'),
        ({**SIP, "a\r\nb": "c\r\nd"}, '"a b" is not allowed [Received a b=c d]'),
    ],
)
def test_every_mistake_has_its_own_text(body: dict[str, object], text: str):
    """D12."""
    with pytest.raises(InvalidRequest) as error:
        validate(body)
    assert error.value.info == text


@pytest.mark.parametrize(
    "bad",
    [
        {"permissions": []},
        {"permissions": {"canSend": True}},
        {"permissions": {"canReceive": 7}},
        {"permissions": {"canReceive": {"base": {"smell": True}}}},
        {"extension": "12;rm"},
        {"codecs": []},
        {"codecs": {"text": ["T140"]}},
        {"videoSettings": {"depth": 3}},
        {"waitBeforeExtensionDialSec": float("nan")},
        {"phoneNumber": "+0123"},
        {"phoneNumber": "+1" + "2" * 40},
    ],
)
def test_other_mistakes_are_refused_too(bad: dict[str, object]):
    body = bad if "phoneNumber" in bad else {**SIP, **bad}
    with pytest.raises(InvalidRequest):
        validate(body)


def test_a_hostile_display_name_is_cleaned():
    assert validate({**SIP, "displayName": "Bob\r\nVia: x\u202e"}).display_name == "Bob Via: x"
