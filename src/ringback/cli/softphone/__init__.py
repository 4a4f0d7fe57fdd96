"""A SIP telephone on the same stack and the same core as the server, for a terminal and for the server's self-test."""
