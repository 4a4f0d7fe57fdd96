"""The SIP edge: sockets, names, admission and one timer around ``ringback.sip``."""
