"""The WebSocket that browsers, bots and SDKs speak (see docs/signalling.md)."""
