"""The tables, as the newest migration leaves them. Times are Unix seconds; JSON is text, so both databases agree.

Rows of rooms and events carry a rising ``number``: it is their order, since two may share a time.
"""

from sqlalchemy import (
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    sql,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

domains = Table(
    "domains",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("id", String(36), nullable=False, unique=True),
    Column("name", String(63), nullable=False, unique=True),
    Column("created_at", Float, nullable=False),
    Column("config", Text, nullable=False),
    sqlite_autoincrement=True,
)

# ``hash`` finds a key, ``sealed`` gives it back: meeting tokens are signed with it, so a hash alone would not do.
api_keys = Table(
    "api_keys",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("domain", String(36), ForeignKey("domains.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("hash", String(64), nullable=False, unique=True),
    Column("sealed", LargeBinary, nullable=False),
    Column("label", String(200), nullable=False),
    Column("operator", Boolean, nullable=False),
    Column("configured", Boolean, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("revoked_at", Float),
)

rooms = Table(
    "rooms",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("id", String(36), nullable=False, unique=True),
    Column("domain", String(36), ForeignKey("domains.id", ondelete="CASCADE"), nullable=False),
    Column("name", String(128), nullable=False),
    Column("privacy", String(16), nullable=False),
    Column("created_at", Float, nullable=False),
    Column("expires_at", Float, index=True),
    Column("properties", Text, nullable=False),
    Column("dialin_code", String(16)),
    UniqueConstraint("domain", "name"),
    Index("ix_rooms_dialin_code", "dialin_code", unique=True),
    sqlite_autoincrement=True,
)

endpoints = Table(
    "endpoints",
    metadata,
    Column("user", String(64), primary_key=True),
    Column("room", String(36), ForeignKey("rooms.id", ondelete="CASCADE"), nullable=False),
    Column("position", Integer, nullable=False),
    UniqueConstraint("room", "position"),
)

# What proves a password (H(A1) for each algorithm) is as good as the password, so it is sealed.
sip_clients = Table(
    "sip_clients",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("id", String(36), nullable=False, unique=True),
    Column("domain", String(36), ForeignKey("domains.id", ondelete="CASCADE"), nullable=False),
    Column("username", String(64), nullable=False),
    Column("realm", String(255), nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("expires_at", Float, index=True),
    Column("dials_numbers", Boolean, nullable=False, server_default=sql.false()),
    UniqueConstraint("domain", "username"),
    sqlite_autoincrement=True,
)

sip_bindings = Table(
    "sip_bindings",
    metadata,
    Column("client", String(36), ForeignKey("sip_clients.id", ondelete="CASCADE"), primary_key=True),
    Column("key", Text, primary_key=True),
    Column("contact", Text, nullable=False),
    Column("transport", String(8), nullable=False),
    Column("host", String(64), nullable=False),
    Column("port", Integer, nullable=False),
    Column("path", Text, nullable=False),
    Column("instance", Text, nullable=False),
    Column("reg_id", Integer, nullable=False),
    Column("q", Float, nullable=False),
    Column("call_id", Text, nullable=False),
    Column("cseq", Integer, nullable=False),
    Column("user_agent", Text, nullable=False),
    Column("expires_at", Float, nullable=False, index=True),
)

nodes = Table(
    "nodes",
    metadata,
    Column("node", String(64), primary_key=True),
    Column("epoch", Integer, nullable=False),
)

meetings = Table(
    "meetings",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("domain", String(36), nullable=False),
    Column("room", String(128), nullable=False),
    Column("node", String(64), nullable=False),
    Column("epoch", Integer, nullable=False),
    Column("started_at", Float, nullable=False),
    Column("ended_at", Float),
    Column("max_participants", Integer, nullable=False),
    Index(None, "domain", "started_at"),
    Index(None, "ended_at"),
)

# Stays: a telephone that is transferred is in one meeting after the other, as the same participant.
participants = Table(
    "participants",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("domain", String(36), nullable=False),
    Column("room", String(128), nullable=False),
    Column("meeting", String(64), primary_key=True, index=True),
    Column("user_id", Text),
    Column("user_name", Text),
    Column("participant_type", String(32)),
    Column("joined_at", Float, nullable=False),
    Column("left_at", Float, index=True),
    Column("day", Integer),
    Column("stayed_ms", Integer, nullable=False, server_default="0"),
    Index(None, "domain", "day"),
)

calls = Table(
    "calls",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("domain", String(36), nullable=False),
    Column("room", String(128), nullable=False),
    Column("meeting", String(64), nullable=False, index=True),
    Column("direction", String(16), nullable=False),
    Column("state", String(16), nullable=False),
    Column("node", String(64), nullable=False),
    Column("epoch", Integer, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("remote", Text, nullable=False),
    Column("endpoint", Text, nullable=False),
    Column("display_name", Text, nullable=False),
    Column("user_id", Text),
    Column("sip_call_id", Text, nullable=False),
    Column("media", Text, nullable=False),
    Column("codec", Text, nullable=False),
    Column("video_codec", Text, nullable=False, server_default=""),
    Column("ringing_at", Float),
    Column("answered_at", Float),
    Column("ended_at", Float),
    Column("ending", String(32)),
    Column("end", Text),
    Column("dialog", Text),
    Column("idempotency_key", Text),
    Column("request", Text, nullable=False),
    Column("trunk", Text, nullable=False, server_default=""),
    Column("sound", Text, nullable=False, server_default="{}"),
    Column("called", Text, nullable=False, server_default=""),
    Column("caller", Text, nullable=False, server_default=""),
    Column("timeline", Text, nullable=False, server_default="[]"),
    Column("fell_back", Boolean, nullable=False, server_default=sql.false()),
    Column("day", Integer),
    Column("talked_ms", Integer, nullable=False, server_default="0"),
    Column("transcoded_ms", Integer, nullable=False, server_default="0"),
    Index(None, "domain", "created_at"),
    Index(None, "domain", "day"),
    Index(None, "ended_at"),
)

idempotency_keys = Table(
    "idempotency_keys",
    metadata,
    Column("domain", String(36), primary_key=True),
    Column("key", String(256), primary_key=True),
    Column("call", String(64), nullable=False),
    Column("created_at", Float, nullable=False, index=True),
)

# Commands that were carried out under a key, other than dial-outs: their calls' rows have it.
commands = Table(
    "commands",
    metadata,
    Column("domain", String(36), primary_key=True),
    Column("key", String(256), primary_key=True),
    Column("verb", Text, nullable=False),
    Column("room", String(128), nullable=False),
    Column("request", Text, nullable=False),
    Column("answer", Text, nullable=False),
    Column("created_at", Float, nullable=False, index=True),
)

transfers = Table(
    "transfers",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("domain", String(36), nullable=False),
    Column("room", String(128), nullable=False),
    Column("meeting", String(64), nullable=False),
    Column("call", String(64), nullable=False, index=True),
    Column("verb", String(16), nullable=False),
    Column("to", Text, nullable=False),
    Column("state", String(16), nullable=False),
    Column("node", String(64), nullable=False),
    Column("epoch", Integer, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("remote", Text, nullable=False),
    Column("leg", String(64), nullable=False),
    Column("left", Boolean, nullable=False),
    Column("status", String(16), nullable=False),
    Column("refer_status", Integer),
    Column("notify_status", Integer),
    Column("ended_at", Float, index=True),
)

# The outbox: what happened, in the unit of work that made it happen.
events = Table(
    "events",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("domain", String(36), nullable=False),
    Column("room", String(128), nullable=False),
    Column("meeting", String(64), nullable=False),
    Column("epoch", Integer, nullable=False),
    Column("sequence", Integer, nullable=False),
    Column("at", Float, nullable=False, index=True),
    Column("name", String(64), nullable=False),
    Column("payload", Text, nullable=False),
    Column("recipients", Text),
    UniqueConstraint("meeting", "epoch", "sequence"),
    sqlite_autoincrement=True,
)

# ``config`` is the trunk without its secrets, which are JSON under ``sealed``.
trunks = Table(
    "trunks",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("config", Text, nullable=False),
    Column("sealed", LargeBinary),
    Column("created_at", Float, nullable=False),
    Column("updated_at", Float, nullable=False),
)

# Without a domain a number is nobody's yet: it can be bought. ``room`` is empty where it rings none.
numbers = Table(
    "phone_numbers",
    metadata,
    Column("number", String(32), primary_key=True),
    Column("id", String(36), nullable=False, unique=True),
    Column("domain", String(36), ForeignKey("domains.id", ondelete="CASCADE"), index=True),
    Column("room", String(128), nullable=False),
    Column("created_at", Float, nullable=False),
    Column("name", Text, nullable=False),
    Column("trunk", Text, nullable=False),
    Column("vendor", String(64), nullable=False),
    Column("region", Text, nullable=False),
    Column("city", Text, nullable=False),
)

# Calls that cost, from before their INVITE goes out; ``ended_at`` is empty while one may still be running.
paid_legs = Table(
    "paid_legs",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("node", String(64), nullable=False),
    Column("domain", String(36), nullable=False),
    Column("asker_kind", String(16), nullable=False),
    Column("asker_id", String(64), nullable=False),
    Column("room", String(128), nullable=False),
    Column("made_by", String(16), nullable=False),
    Column("destination", Text, nullable=False),
    Column("trunk", Text, nullable=False),
    Column("consent", Text, nullable=False),
    Column("call", String(64), nullable=False),
    Column("per_minute", Float, nullable=False),
    Column("per_call", Float, nullable=False),
    Column("began_at", Float, nullable=False, index=True),
    Column("ended_at", Float),
    Column("seconds", Float),
    Column("cost", Float),
)

# What was refused. ``unseen`` counts refusals like it that were not written down, so that a flood stays small.
audit = Table(
    "audit",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("at", Float, nullable=False, index=True),
    Column("domain", String(36), nullable=False),
    Column("asker_kind", String(16), nullable=False),
    Column("asker_id", String(64), nullable=False),
    Column("room", String(128), nullable=False),
    Column("made_by", String(16), nullable=False),
    Column("destination", Text, nullable=False),
    Column("rule", String(64), nullable=False),
    Column("info", Text, nullable=False),
    Column("unseen", Integer, nullable=False),
    Index("ix_audit_domain", "domain", "number"),
    sqlite_autoincrement=True,
)

dialout_policies = Table(
    "dialout_policies",
    metadata,
    Column("domain", String(36), ForeignKey("domains.id", ondelete="CASCADE"), primary_key=True),
    Column("body", Text, nullable=False),
    Column("updated_at", Float, nullable=False),
)

# ``sealed`` holds the secret that signs and the one that authorises.
webhooks = Table(
    "webhooks",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("domain", String(36), ForeignKey("domains.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("url", Text, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    Column("event_types", Text, nullable=False),
    Column("retry_type", String(16), nullable=False),
    Column("created_at", Float, nullable=False),
    Column("updated_at", Float, nullable=False),
    Column("state", String(16), nullable=False),
    Column("failed_count", Integer, nullable=False),
    Column("cursor", Integer, nullable=False),
    Column("last_pushed", Float),
)

webhook_deliveries = Table(
    "webhook_deliveries",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("webhook", String(36), ForeignKey("webhooks.id", ondelete="CASCADE"), nullable=False),
    Column("lane", String(64), nullable=False),
    Column("type", String(64), nullable=False),
    Column("event_id", Text, nullable=False),
    Column("body", Text, nullable=False),
    Column("created_at", Float, nullable=False, index=True),
    Column("state", String(16), nullable=False),
    Column("next_at", Float, nullable=False),
    Column("attempts", Text, nullable=False),
    Index(None, "webhook", "state", "number"),
    sqlite_autoincrement=True,
)

# ``sealed`` is the secret that signs what a customer's server is told.
dialin_configs = Table(
    "dialin_configs",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("id", String(36), nullable=False, unique=True),
    Column("domain", String(36), ForeignKey("domains.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("type", String(16), nullable=False),
    Column("phone_number", String(32), unique=True),
    Column("address_user", String(64), unique=True),
    Column("sealed", LargeBinary, nullable=False),
    Column("fields", Text, nullable=False),
    Column("created_at", Float, nullable=False),
    sqlite_autoincrement=True,
)

# ``sealed`` holds the secret that signs and the password that a call proves.
sip_trunks = Table(
    "sip_trunks",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("id", String(36), nullable=False, unique=True),
    Column("domain", String(36), ForeignKey("domains.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("label", String(63), nullable=False, unique=True),
    Column("config", Text, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    Column("created_at", Float, nullable=False),
    sqlite_autoincrement=True,
)
