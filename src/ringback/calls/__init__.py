"""Telephone calls in and out of rooms: dial-in, dial-out, digits, and how each of them ends."""
