"""Dial-in by number: callers who are asked for a code, and callers who are held until a room is made for them."""
