//! What the server and the pixel process say to each other: length-prefixed messages, every field bounded.
//!
//! Encoded pictures cross, never raw ones: decoding, composing and encoding all happen on the other side.

use crate::layout::Arrangement;

/// Longest message. An encoded picture longer than this is refused where it is written.
pub const LONGEST: usize = 1 << 20;
/// Most tiles of a view.
pub const MOST_TILES: usize = 25;
/// Most bytes of a name on a tile.
pub const LONGEST_NAME: usize = 128;
/// The least and the most pixels across and down of a view; even numbers between.
pub const SIDES: std::ops::RangeInclusive<u16> = 16..=1920;

/// How pictures are encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Coding {
    /// RFC 6386: one frame.
    Vp8,
    /// One access unit, each NAL unit behind a start code (ITU-T H.264 Annex B).
    H264,
}

/// One tile of a view.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tile {
    /// Whose picture; `None`: nobody's, the name alone.
    pub source: Option<u64>,
    /// Written on it; empty: nothing is.
    pub name: String,
    /// Whether it says that no sound comes from there.
    pub muted: bool,
    /// Shown whole instead of filling the tile: a shared screen.
    pub whole: bool,
}

/// What is composed and how it is encoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct View {
    /// How it is encoded.
    pub coding: Coding,
    /// H.264 only: no NAL unit is longer than this (packetization mode 0 of RFC 6184 cannot cut them). 0: no limit.
    pub longest_unit: u16,
    /// Pixels across; of `Arrangement::Alone` the most.
    pub width: u16,
    /// Pixels down; of `Arrangement::Alone` the most.
    pub height: u16,
    /// Pictures a second; of `Arrangement::Alone` the most.
    pub rate: u8,
    /// Bits a second.
    pub bitrate_bps: u32,
    /// Where the tiles go.
    pub arrangement: Arrangement,
    /// In their order.
    pub tiles: Vec<Tile>,
}

/// What the server asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs)] // Fields are explained with their variants.
pub enum Order {
    /// An encoded picture of a source, in the order of decoding.
    Frame { source: u64, coding: Coding, at_us: u64, data: Vec<u8> },
    /// Pictures of this source are missing: nothing of it is shown before its next key frame.
    Lost { source: u64 },
    /// There is no picture of this source any more: it is shown as nobody.
    Gone { source: u64 },
    /// Open a view or change it.
    View { view: u64, what: View },
    /// Close it.
    Close { view: u64 },
    /// The next picture of a view is a key frame.
    Key { view: u64 },
    /// Say that you are there.
    Ping { number: u64 },
}

/// What the process answers.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs)] // Fields are explained with their variants.
pub enum Yield {
    /// It can encode and decode these.
    Ready { vp8: bool, h264: bool },
    /// An encoded picture. `newest_us` is the `at_us` of the newest picture that it shows; 0: none.
    Picture { view: u64, key: bool, at_us: u64, newest_us: u64, data: Vec<u8> },
    /// A source's next picture has to be a key frame.
    WantKey { source: u64 },
    /// A source breaks a limit (too large, too long, too slow to decode): it is shown as nobody for a while.
    Refused { source: u64 },
    /// I am here.
    Pong { number: u64 },
}

/// A message that is none of the above: the other side is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Garbled;

/// Put a message behind `out` with its length in front.
fn framed(out: &mut Vec<u8>, kind: u8, write: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend([0; 4]);
    out.push(kind);
    write(out);
    let length = (out.len() - start - 4) as u32;
    out[start..start + 4].copy_from_slice(&length.to_le_bytes());
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, n: usize) -> Result<&'a [u8], Garbled> {
        let (taken, rest) = self.0.split_at_checked(n).ok_or(Garbled)?;
        self.0 = rest;
        Ok(taken)
    }

    fn number<const N: usize>(&mut self) -> Result<[u8; N], Garbled> {
        self.take(N)?.try_into().map_err(|_| Garbled)
    }

    fn u8(&mut self) -> Result<u8, Garbled> {
        Ok(self.number::<1>()?[0])
    }

    fn flag(&mut self) -> Result<bool, Garbled> {
        match self.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(Garbled),
        }
    }

    fn u16(&mut self) -> Result<u16, Garbled> {
        self.number().map(u16::from_le_bytes)
    }

    fn u32(&mut self) -> Result<u32, Garbled> {
        self.number().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Result<u64, Garbled> {
        self.number().map(u64::from_le_bytes)
    }

    fn rest(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.0).to_vec()
    }

    fn coding(&mut self) -> Result<Coding, Garbled> {
        match self.u8()? {
            0 => Ok(Coding::Vp8),
            1 => Ok(Coding::H264),
            _ => Err(Garbled),
        }
    }
}

/// A message's kind and body, and how long it was in all.
type Message<'a> = (u8, &'a [u8], usize);

/// Cut the first whole message off `bytes`.
fn cut(bytes: &[u8]) -> Result<Option<Message<'_>>, Garbled> {
    let Some(length) = bytes.first_chunk::<4>() else { return Ok(None) };
    let length = u32::from_le_bytes(*length) as usize;
    if length == 0 || length > LONGEST + 64 {
        return Err(Garbled);
    }
    let message = bytes.get(4..4 + length);
    Ok(message.map(|message| (message[0], &message[1..], 4 + length)))
}

impl Order {
    /// Append this order's bytes.
    pub fn write(&self, out: &mut Vec<u8>) {
        match self {
            Order::Frame { source, coding, at_us, data } => framed(out, 1, |out| {
                out.extend(source.to_le_bytes());
                out.push(*coding as u8);
                out.extend(at_us.to_le_bytes());
                out.extend(data);
            }),
            Order::Lost { source } => framed(out, 2, |out| out.extend(source.to_le_bytes())),
            Order::View { view, what } => framed(out, 3, |out| {
                out.extend(view.to_le_bytes());
                what.write(out);
            }),
            Order::Close { view } => framed(out, 4, |out| out.extend(view.to_le_bytes())),
            Order::Key { view } => framed(out, 5, |out| out.extend(view.to_le_bytes())),
            Order::Ping { number } => framed(out, 6, |out| out.extend(number.to_le_bytes())),
            Order::Gone { source } => framed(out, 7, |out| out.extend(source.to_le_bytes())),
        }
    }

    /// The first order in `bytes` and its length; `None`: it is not whole yet.
    pub fn read(bytes: &[u8]) -> Result<Option<(Order, usize)>, Garbled> {
        let Some((kind, body, length)) = cut(bytes)? else { return Ok(None) };
        let mut body = Reader(body);
        let order = match kind {
            1 => Order::Frame { source: body.u64()?, coding: body.coding()?, at_us: body.u64()?, data: body.rest() },
            2 => Order::Lost { source: body.u64()? },
            3 => Order::View { view: body.u64()?, what: View::read(&mut body)? },
            4 => Order::Close { view: body.u64()? },
            5 => Order::Key { view: body.u64()? },
            6 => Order::Ping { number: body.u64()? },
            7 => Order::Gone { source: body.u64()? },
            _ => return Err(Garbled),
        };
        if body.0.is_empty() { Ok(Some((order, length))) } else { Err(Garbled) }
    }
}

impl View {
    fn write(&self, out: &mut Vec<u8>) {
        out.push(self.coding as u8);
        for number in [self.longest_unit, self.width, self.height] {
            out.extend(number.to_le_bytes());
        }
        out.push(self.rate);
        out.extend(self.bitrate_bps.to_le_bytes());
        out.push(self.arrangement as u8);
        let tiles = &self.tiles[..self.tiles.len().min(MOST_TILES)];
        out.push(tiles.len() as u8);
        for tile in tiles {
            out.extend([u8::from(tile.source.is_some()), u8::from(tile.muted), u8::from(tile.whole)]);
            out.extend(tile.source.unwrap_or(0).to_le_bytes());
            let name = &tile.name[..tile.name.floor_char_boundary_stable(LONGEST_NAME)];
            out.push(name.len() as u8);
            out.extend(name.as_bytes());
        }
    }

    fn read(body: &mut Reader) -> Result<View, Garbled> {
        let coding = body.coding()?;
        let (longest_unit, width, height) = (body.u16()?, body.u16()?, body.u16()?);
        let (rate, bitrate_bps) = (body.u8()?, body.u32()?);
        let arrangement = match body.u8()? {
            0 => Arrangement::Grid,
            1 => Arrangement::Speaker,
            2 => Arrangement::Alone,
            _ => return Err(Garbled),
        };
        let tiles = body.u8()? as usize;
        let sound = SIDES.contains(&width) && SIDES.contains(&height) && width % 2 == 0 && height % 2 == 0;
        if !sound || !(1..=60).contains(&rate) || tiles > MOST_TILES {
            return Err(Garbled);
        }
        let tiles = (0..tiles).map(|_| Tile::read(body)).collect::<Result<_, _>>()?;
        Ok(View { coding, longest_unit, width, height, rate, bitrate_bps, arrangement, tiles })
    }
}

impl Tile {
    fn read(body: &mut Reader) -> Result<Tile, Garbled> {
        let (has_source, muted, whole) = (body.flag()?, body.flag()?, body.flag()?);
        let source = body.u64()?;
        let length = body.u8()? as usize;
        let name = std::str::from_utf8(body.take(length)?).map_err(|_| Garbled)?.to_owned();
        Ok(Tile { source: has_source.then_some(source), name, muted, whole })
    }
}

/// `str::floor_char_boundary`, which the oldest Rust we build with has not.
trait CharBoundary {
    fn floor_char_boundary_stable(&self, at: usize) -> usize;
}

impl CharBoundary for str {
    fn floor_char_boundary_stable(&self, at: usize) -> usize {
        (0..=at.min(self.len())).rev().find(|&at| self.is_char_boundary(at)).unwrap_or(0)
    }
}

impl Yield {
    /// Append this answer's bytes.
    pub fn write(&self, out: &mut Vec<u8>) {
        match self {
            Yield::Ready { vp8, h264 } => framed(out, 1, |out| out.extend([u8::from(*vp8), u8::from(*h264)])),
            Yield::Picture { view, key, at_us, newest_us, data } => framed(out, 2, |out| {
                out.extend(view.to_le_bytes());
                out.push(u8::from(*key));
                out.extend(at_us.to_le_bytes());
                out.extend(newest_us.to_le_bytes());
                out.extend(data);
            }),
            Yield::WantKey { source } => framed(out, 3, |out| out.extend(source.to_le_bytes())),
            Yield::Refused { source } => framed(out, 4, |out| out.extend(source.to_le_bytes())),
            Yield::Pong { number } => framed(out, 5, |out| out.extend(number.to_le_bytes())),
        }
    }

    /// The first answer in `bytes` and its length; `None`: it is not whole yet.
    pub fn read(bytes: &[u8]) -> Result<Option<(Yield, usize)>, Garbled> {
        let Some((kind, body, length)) = cut(bytes)? else { return Ok(None) };
        let mut body = Reader(body);
        let answer = match kind {
            1 => Yield::Ready { vp8: body.flag()?, h264: body.flag()? },
            2 => Yield::Picture {
                view: body.u64()?,
                key: body.flag()?,
                at_us: body.u64()?,
                newest_us: body.u64()?,
                data: body.rest(),
            },
            3 => Yield::WantKey { source: body.u64()? },
            4 => Yield::Refused { source: body.u64()? },
            5 => Yield::Pong { number: body.u64()? },
            _ => return Err(Garbled),
        };
        if body.0.is_empty() { Ok(Some((answer, length))) } else { Err(Garbled) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn orders() -> Vec<Order> {
        let tile = Tile { source: Some(7), name: "Zoë ☎".into(), muted: true, whole: false };
        let nobody = Tile { source: None, name: String::new(), muted: false, whole: true };
        let what = View {
            coding: Coding::H264,
            longest_unit: 1200,
            width: 1280,
            height: 720,
            rate: 15,
            bitrate_bps: 900_000,
            arrangement: Arrangement::Speaker,
            tiles: vec![tile, nobody],
        };
        vec![
            Order::Frame { source: 1, coding: Coding::Vp8, at_us: 5, data: vec![1, 2, 3] },
            Order::Lost { source: 1 },
            Order::View { view: 3, what },
            Order::Close { view: 4 },
            Order::Key { view: 5 },
            Order::Ping { number: u64::MAX },
            Order::Gone { source: 6 },
        ]
    }

    fn yields() -> Vec<Yield> {
        vec![
            Yield::Ready { vp8: true, h264: false },
            Yield::Picture { view: 1, key: true, at_us: 2, newest_us: 3, data: vec![9; 1000] },
            Yield::WantKey { source: 8 },
            Yield::Refused { source: 8 },
            Yield::Pong { number: 1 },
        ]
    }

    #[test]
    fn what_is_written_is_read_and_no_part_of_it_is() {
        for order in orders() {
            let mut bytes = Vec::new();
            order.write(&mut bytes);
            for n in 0..bytes.len() {
                assert_eq!(Order::read(&bytes[..n]), Ok(None));
            }
            assert_eq!(Order::read(&bytes), Ok(Some((order, bytes.len()))));
        }
        for answer in yields() {
            let mut bytes = Vec::new();
            answer.write(&mut bytes);
            for n in 0..bytes.len() {
                assert_eq!(Yield::read(&bytes[..n]), Ok(None));
            }
            assert_eq!(Yield::read(&bytes), Ok(Some((answer, bytes.len()))));
        }
    }

    #[test]
    fn changed_bytes_are_an_answer_or_garbled_and_never_a_panic() {
        let mut seed = 1u64;
        let mut random = move || {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (seed >> 33) as usize
        };
        let mut bytes = Vec::new();
        orders().iter().for_each(|order| order.write(&mut bytes));
        yields().iter().for_each(|answer| answer.write(&mut bytes));
        for _ in 0..20_000 {
            let mut changed = bytes[random() % bytes.len()..].to_vec();
            for _ in 0..random() % 4 {
                let at = random() % changed.len().min(60);
                changed[at] = random() as u8;
            }
            let _ = Order::read(&changed);
            let _ = Yield::read(&changed);
        }
    }

    #[test]
    fn a_length_beyond_the_limit_is_garbled_at_once() {
        assert_eq!(Order::read(&u32::MAX.to_le_bytes()), Err(Garbled));
        assert_eq!(Yield::read(&[0; 4]), Err(Garbled));
    }

    #[test]
    fn a_long_name_is_cut_between_letters() {
        let tile = Tile { source: None, name: "ü".repeat(100), muted: false, whole: false };
        let Order::View { view, mut what } = orders().remove(2) else { unreachable!() };
        what.tiles = vec![tile; 40];
        let mut bytes = Vec::new();
        Order::View { view, what }.write(&mut bytes);

        let Ok(Some((Order::View { what, .. }, _))) = Order::read(&bytes) else { panic!("a view") };

        assert_eq!(what.tiles.len(), MOST_TILES);
        assert_eq!(what.tiles[0].name, "ü".repeat(64));
    }
}
