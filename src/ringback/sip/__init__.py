"""SIP without sockets, clocks or chance: messages, transactions, dialogs, calls (RFC 3261 and friends)."""
