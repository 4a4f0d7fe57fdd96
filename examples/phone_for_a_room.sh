#!/bin/sh
# A room with a SIP address, and a phone that dials it, says something and records what it hears for 20 seconds.
# Set RINGBACK_API_KEY, or run it where `ringback dev` keeps its data. Somebody has to be in the room: open its page.
set -eu
ringback="$(dirname "$0")/../.venv/bin/ringback"

"$ringback" rooms create lobby --sip || true
address=$("$ringback" rooms show lobby --json | sed -n 's/.*"endpoint": "\([^"]*\)".*/\1/p')
echo "dialling $address"
"$ringback" phone dial "$address" --say "Hello, this is a telephone." --record heard.wav --for 20
