"""The WebSocket that clients speak (docs/signalling.md): frames in, verbs on a seat; events out, in wire words."""
