"""One run of a room: participants, presence, permissions, limits."""
