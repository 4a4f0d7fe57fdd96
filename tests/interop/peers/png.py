"""PNG files of others, as far as snapshots are: 8 bits a channel, red, green and blue (and alpha), not interlaced."""

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

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
    """Filters taken out (PNG §9.2)."""
    before = bytearray(width)
    for start in range(0, len(data), width + 1):
        kind, row = data[start], bytearray(data[start + 1 : start + 1 + width])
        for x in range(width):
            left = row[x - channels] if x >= channels else 0
            corner = before[x - channels] if x >= channels else 0
            row[x] = (row[x] + _guess(kind, left, before[x], corner)) & 255
        yield bytes(row)
        before = row


def _guess(kind: int, left: int, above: int, corner: int) -> int:
    match kind:
        case 0:
            return 0
        case 1:
            return left
        case 2:
            return above
        case 3:
            return (left + above) // 2
    near = left + above - corner
    return min((left, above, corner), key=lambda value: abs(near - value))
