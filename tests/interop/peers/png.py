"""PNG files of others, as far as snapshots are: 8 bits a channel, red, green and blue (and alpha), not interlaced."""

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Octets = npt.NDArray[Any]
CHANNELS = {2: 3, 6: 4}


@dataclass(frozen=True, slots=True)
class Image:
    """A picture's rows of channels."""

    width: int
    height: int
    channels: int
    rows: tuple[bytes, ...]

    def mean(self, left: float, top: float, right: float, bottom: float) -> tuple[float, float, float]:
        """Red, green and blue of a part, whose edges are shares of the picture."""
        rows = self.rows[int(top * self.height) : int(bottom * self.height)]
        first, last = int(left * self.width) * self.channels, int(right * self.width) * self.channels
        sums = [sum(sum(row[first + colour : last : self.channels]) for row in rows) for colour in range(3)]
        count = max(1, len(rows) * ((last - first) // self.channels))
        return sums[0] / count, sums[1] / count, sums[2] / count


def read(path: Path) -> Image | None:
    """``None``: it is not whole yet."""
    data = path.read_bytes()
    if not data.endswith(b"IEND\xaeB`\x82"):
        return None
    parts = dict[bytes, bytes]()
    for kind, body in _chunks(data):
        parts[kind] = parts.get(kind, b"") + body
    width, height, depth, colour = struct.unpack(">IIBB", parts[b"IHDR"][:10])
    assert depth == 8 and colour in CHANNELS, f"a snapshot of {depth} bits and kind {colour}"
    channels = CHANNELS[colour]
    return Image(width, height, channels, tuple(_rows(zlib.decompress(parts[b"IDAT"]), width * channels, channels)))


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = 8
    while at < len(data):
        (length,) = struct.unpack_from(">I", data, at)
        yield data[at + 4 : at + 8], data[at + 8 : at + 8 + length]
        at += length + 12


def _rows(data: bytes, width: int, channels: int) -> Iterator[bytes]:
    """Filters taken out (PNG §9.2).

    A filter needs what is left of a pixel, above it, and the corner between: all of them on diagonals before its own.
    So a whole diagonal is done at a time: octet by octet a picture takes seconds.
    """
    lines = np.frombuffer(data, np.uint8).reshape(-1, 1 + width)
    height, pixels = len(lines), width // channels
    kinds = lines[:, 0, None]
    filtered = lines[:, 1:].reshape(height, pixels, channels)
    # Of diagonals, with one before the first; a row lies one further down, below one that is all zero.
    done = np.zeros((height + pixels + 1, height + 1, channels), np.int16)
    for diagonal in range(height + pixels - 1):
        first, last = max(0, diagonal - pixels + 1), min(height, diagonal + 1)
        rows = np.arange(first, last)
        left, above = done[diagonal + 1, first + 1 : last + 1], done[diagonal + 1, first:last]
        guess = _guess(kinds[first:last], left, above, done[diagonal, first:last])
        done[diagonal + 2, first + 1 : last + 1] = (filtered[rows, diagonal - rows] + guess) & 255
    for row in range(height):
        yield done[row + 2 : row + 2 + pixels, row + 1].astype(np.uint8).tobytes()


def _guess(kinds: Octets, left: Octets, above: Octets, corner: Octets) -> Octets:
    near = left + above - corner
    off_left, off_above, off_corner = abs(near - left), abs(near - above), abs(near - corner)
    either = np.where(off_above <= off_corner, above, corner)
    nearest = np.where((off_left <= off_above) & (off_left <= off_corner), left, either)
    return np.choose(kinds, (np.zeros_like(left), left, above, (left + above) // 2, nearest))
