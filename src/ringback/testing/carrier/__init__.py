"""Telephone networks for tests: ``PretendCarrier`` speaks real SIP and sound; ``FakeCarrier`` is a port's twin."""

from ringback.testing.carrier import sound
from ringback.testing.carrier.call import CallOver, PretendCall
from ringback.testing.carrier.events import CarrierEvent, EventLog
from ringback.testing.carrier.fake import PHONE_HOST, PHONE_PORT, FakeCarrier, FakePhone
from ringback.testing.carrier.impairment import Impairment
from ringback.testing.carrier.media import Air
from ringback.testing.carrier.personas import PERSONAS, Persona, Script
from ringback.testing.carrier.service import PretendCarrier

__all__ = [
    "PERSONAS",
    "PHONE_HOST",
    "PHONE_PORT",
    "Air",
    "CallOver",
    "CarrierEvent",
    "EventLog",
    "FakeCarrier",
    "FakePhone",
    "Impairment",
    "Persona",
    "PretendCall",
    "PretendCarrier",
    "Script",
    "sound",
]
