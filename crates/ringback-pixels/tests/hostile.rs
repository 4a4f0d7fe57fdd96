//! Bitstreams of strangers who mean harm: the studio answers with a wish for a key frame, or refuses, and shows others on.

mod common;

use common::{BLUE, GREEN, RED, Random, apart, camera};
use ringback_pictures::{Arrangement, Coding, Order, Tile, View, Yield};
use ringback_pixels::{Decoder, Encoder, LONGEST_FRAME, Quality, Studio};

const BOTH: [Coding; 2] = [Coding::Vp8, Coding::H264];

fn stream(coding: Coding, colour: [u8; 3], count: usize) -> Vec<Vec<u8>> {
    let quality = Quality { coding, longest_unit: 0, width: 320, height: 180, rate: 15, bitrate_bps: 200_000 };
    let mut encoder = Encoder::new(quality).expect("libvpx is here: make peers installs it");
    let picture = |n| camera(320, 180, colour, n);
    (0..count).map(|n| encoder.encode(&picture(n), n as u64 * 66_667, n % 8 == 0).expect("a picture").data).collect()
}

/// Whether a place shows this camera: by its colour, as what is bright there moves.
fn is(seen: [u8; 3], colour: [u8; 3]) -> bool {
    apart([0, seen[1], seen[2]], [0, colour[1], colour[2]]) < 24
}

fn tile(source: u64) -> Tile {
    Tile { source: Some(source), name: String::new(), muted: false, whole: false }
}

fn view(coding: Coding) -> View {
    View {
        coding,
        longest_unit: 0,
        width: 640,
        height: 360,
        rate: 15,
        bitrate_bps: 500_000,
        arrangement: Arrangement::Grid,
        tiles: vec![tile(1), tile(2)],
    }
}

/// A studio, its clock, and the picture that it shows.
struct Room {
    studio: Studio,
    decoder: Decoder,
    now_us: u64,
    shown: Option<ringback_pixels::Picture>,
    answers: Vec<Yield>,
}

impl Room {
    fn new(coding: Coding) -> Room {
        let decoder = Decoder::new(coding).expect("a decoder");
        let mut room = Room { studio: Studio::default(), decoder, now_us: 1, shown: None, answers: Vec::new() };
        room.order(Order::View { view: 1, what: view(coding) });
        room
    }

    fn order(&mut self, order: Order) {
        self.studio.order(order, self.now_us, &mut self.answers);
    }

    fn frame(&mut self, source: u64, coding: Coding, data: Vec<u8>) {
        self.order(Order::Frame { source, coding, at_us: self.now_us, data });
    }

    fn tick(&mut self) {
        self.now_us += 66_667;
        let before = self.answers.len();
        self.studio.wake(self.now_us, &mut self.answers);
        for answer in &self.answers[before..] {
            if let Yield::Picture { data, .. } = answer {
                self.shown = self.decoder.decode(data).expect("we encode well").or(self.shown.take());
            }
        }
    }

    fn took(&mut self, what: impl Fn(&Yield) -> bool) -> bool {
        let found = self.answers.iter().any(what);
        self.answers.clear();
        found
    }

    /// The middle of the left and of the right tile.
    fn colours(&self) -> [[u8; 3]; 2] {
        let shown = self.shown.as_ref().expect("a picture");
        [shown.mean(100, 150, 100, 60), shown.mean(440, 150, 100, 60)]
    }
}

fn mangle(data: &mut Vec<u8>, random: &mut Random, coding: Coding) {
    match random.next() % 6 {
        0 => data.truncate(random.next() % (data.len() + 1)),
        1 => data.extend((0..random.next() % 4000).map(|_| 0xff)),
        2 => data.clear(),
        // Behind what the limits look at, so that the decoder itself is reached.
        _ => {
            let from = if coding == Coding::Vp8 { 10 } else { 40 };
            for _ in 0..1 + random.next() % 12 {
                if data.len() > from {
                    let at = from + random.next() % (data.len() - from);
                    data[at] = random.next() as u8;
                }
            }
        }
    }
}

#[test]
fn a_mangled_stream_harms_neither_the_process_nor_the_tile_beside_it() {
    for coding in BOTH {
        let (good, bad) = (stream(coding, GREEN, 16), stream(coding, RED, 16));
        let mut room = Room::new(coding);
        let mut random = Random(42);
        for round in 0..400 {
            let mut data = bad[round % 16].clone();
            mangle(&mut data, &mut random, coding);
            room.frame(2, coding, data);
            room.frame(1, coding, good[round % 16].clone());
            room.tick();
            room.answers.retain(|answer| !matches!(answer, Yield::Picture { .. }));
        }
        assert!(is(room.colours()[0], GREEN), "{coding:?}: {:?}", room.colours());
        assert!(room.took(|answer| *answer == Yield::WantKey { source: 2 }));

        // A whole key frame, and it is seen again.
        room.now_us += 6_000_000;
        for data in &bad[8..] {
            room.frame(2, coding, data.clone());
            room.tick();
        }
        assert!(is(room.colours()[1], RED), "{coding:?}: {:?}", room.colours());
    }
}

#[test]
fn random_bytes_with_a_true_beginning_are_survived() {
    for coding in BOTH {
        let good = stream(coding, GREEN, 1).remove(0);
        let mut room = Room::new(coding);
        let mut random = Random(7);
        for _ in 0..300 {
            let keep = random.next() % good.len().min(64);
            let mut data = good[..keep].to_vec();
            data.extend((0..random.next() % 3000).map(|_| random.next() as u8));
            room.frame(1, coding, data);
            room.now_us += 1000;
        }
        room.tick();
        assert!(room.took(|answer| matches!(answer, Yield::Picture { .. })));
    }
}

#[test]
fn who_breaks_a_limit_is_refused_for_a_while_and_may_come_back() {
    let huge_vp8 = [0x10, 0, 0, 0x9d, 0x01, 0x2a, 0xff, 0x3f, 0xff, 0x3f, 0, 0].to_vec();
    let oversize = vec![0; LONGEST_FRAME + 1];
    for data in [huge_vp8, oversize] {
        let mut room = Room::new(Coding::Vp8);
        room.frame(1, Coding::Vp8, data);
        assert!(room.took(|answer| *answer == Yield::Refused { source: 1 }));

        let good = stream(Coding::Vp8, GREEN, 1).remove(0);
        room.frame(1, Coding::Vp8, good.clone());
        room.tick();
        assert!(!room.took(|answer| *answer == Yield::WantKey { source: 1 }), "it is not asked while it is refused");
        room.now_us += 5_000_001;
        room.frame(1, Coding::Vp8, good);
        room.tick();
        assert!(is(room.colours()[0], GREEN));
    }
}

#[test]
fn after_a_loss_the_last_good_picture_stays_until_a_key_frame_comes() {
    for coding in BOTH {
        let (green, red) = (stream(coding, GREEN, 9), stream(coding, RED, 9));
        let mut room = Room::new(coding);
        green[..3].iter().for_each(|data| room.frame(1, coding, data.clone()));
        room.tick();
        room.order(Order::Lost { source: 1 });
        assert!(room.took(|answer| *answer == Yield::WantKey { source: 1 }));

        // Pictures that lean on one that was lost.
        room.frame(1, coding, red[1].clone());
        room.tick();
        assert!(is(room.colours()[0], GREEN));
        room.frame(1, coding, red[0].clone());
        room.tick();
        assert!(is(room.colours()[0], RED));
    }
}

#[test]
fn whose_camera_went_off_is_shown_as_nobody() {
    let mut room = Room::new(Coding::H264);
    room.frame(1, Coding::H264, stream(Coding::H264, GREEN, 1).remove(0));
    room.tick();
    assert!(is(room.colours()[0], GREEN));
    room.order(Order::Gone { source: 1 });
    room.tick();
    assert!(!is(room.colours()[0], GREEN));
}

#[test]
fn only_what_is_shown_is_decoded() {
    let mut room = Room::new(Coding::Vp8);
    room.answers.clear();
    room.frame(9, Coding::Vp8, vec![0xff; 100]);
    assert!(room.answers.is_empty(), "nobody asked for source 9");
    let mut what = view(Coding::Vp8);
    what.tiles = vec![tile(2)];
    room.order(Order::View { view: 1, what });
    room.answers.clear();
    room.frame(1, Coding::Vp8, vec![0xff; 100]);
    assert!(room.answers.is_empty(), "source 1 is no longer shown");
    room.frame(2, Coding::Vp8, vec![0xff; 100]);
    room.now_us += 500_000;
    room.frame(2, Coding::Vp8, vec![0xff; 100]);
    assert!(room.took(|answer| *answer == Yield::WantKey { source: 2 }));
}

#[test]
fn a_copy_has_the_size_and_pace_of_its_source_and_another_coding() {
    for (from, to) in [(Coding::H264, Coding::Vp8), (Coding::Vp8, Coding::H264)] {
        let mut room = Room::new(to);
        room.order(Order::Close { view: 1 });
        room.answers.clear();
        let what = View { arrangement: Arrangement::Alone, rate: 30, tiles: vec![tile(5)], ..view(to) };
        room.order(Order::View { view: 2, what });
        assert!(room.took(|answer| *answer == Yield::WantKey { source: 5 }));
        let mut copies = 0;
        for data in stream(from, BLUE, 12) {
            room.now_us += 66_667;
            room.frame(5, from, data);
            for answer in room.answers.drain(..) {
                let Yield::Picture { view: 2, data, newest_us, .. } = answer else { panic!("{answer:?}") };
                assert_eq!(newest_us, room.now_us);
                room.shown = room.decoder.decode(&data).expect("we encode well");
                copies += 1;
            }
        }
        assert_eq!(copies, 12);
        let shown = room.shown.expect("a picture");
        assert_eq!((shown.width, shown.height), (320, 180));
        assert!(is(shown.mean(0, 60, 320, 60), BLUE));
    }
}
