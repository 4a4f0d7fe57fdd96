//! The engine's side: scenes and frames in, pictures out, whatever becomes of the process.

mod common;

use std::collections::HashSet;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use common::{BLUE, GREEN, camera};
use ringback_engine::Maker;
use ringback_engine::pictures::{Encoding, Layout, Made, PictureId, Pictures, Scene, SourceId, Tile};
use ringback_pictures::Coding;
use ringback_pixels::{Decoder, Encoder, Quality};
use ringback_rtp::video::{Frame, VideoCodec};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

const PATIENCE: Duration = Duration::from_secs(30);
const PHONE: SourceId = SourceId(1);
const BROWSER: SourceId = SourceId(2);
const PICTURE: PictureId = PictureId(9);

fn scene(codec: VideoCodec, layout: Layout, sources: &[SourceId]) -> Scene {
    let encoding = Encoding { codec, mode: 0, width: 640, height: 360, fps: 15, bitrate_bps: 500_000 };
    let tile = |&source| Tile { source: Some(source), name: "Ann".into(), muted: false, whole: false };
    Scene { encoding, layout, tiles: sources.iter().map(tile).collect() }
}

/// A camera that makes key frames when asked for.
struct Camera(SourceId, VideoCodec, Encoder, [u8; 3], usize);

impl Camera {
    fn new(source: SourceId, codec: VideoCodec, colour: [u8; 3]) -> Camera {
        let coding = if codec == VideoCodec::Vp8 { Coding::Vp8 } else { Coding::H264 };
        let quality = Quality { coding, longest_unit: 0, width: 320, height: 180, rate: 15, bitrate_bps: 300_000 };
        Camera(source, codec, Encoder::new(quality).expect("libvpx is here: make peers installs it"), colour, 0)
    }

    fn feed(&mut self, maker: &mut Maker, key: bool) {
        self.4 += 1;
        let picture = camera(320, 180, self.3, self.4);
        let made = self.2.encode(&picture, self.4 as u64 * 66_667, key).expect("a picture");
        let frame = Frame { timestamp: self.4 as u32 * 6000, key: made.key, data: made.data };
        maker.feed(self.0, self.1, &frame);
    }
}

/// Feed and take until a picture is made for which `enough` says so.
fn run(maker: &mut Maker, cameras: &mut [Camera], mut enough: impl FnMut(&Frame, &HashSet<SourceId>) -> bool) {
    let begun = Instant::now();
    let mut asked = HashSet::new();
    while begun.elapsed() < PATIENCE {
        let taken = wait(maker);
        let mut wanted = HashSet::new();
        for made in taken {
            match made {
                Made::Frame { picture, frame } => {
                    assert_eq!(picture, PICTURE);
                    if enough(&frame, &asked) {
                        return;
                    }
                }
                Made::KeyFrameWanted(source) => {
                    wanted.insert(source);
                    asked.insert(source);
                }
                Made::Lost(lost) => panic!("{lost:?} were given up"),
            }
        }
        for camera in cameras.iter_mut() {
            camera.feed(maker, wanted.contains(&camera.0));
        }
    }
    panic!("no such picture came");
}

fn wait(maker: &mut Maker) -> Vec<Made> {
    let pause = Timespec { tv_sec: 0, tv_nsec: 30_000_000 };
    let _ = poll(&mut [PollFd::from_borrowed_fd(maker.event_fd(), PollFlags::IN)], Some(&pause));
    maker.take()
}

fn shows(decoder: &mut Decoder, frame: &Frame, left: [u8; 3], right: [u8; 3]) -> bool {
    let Ok(Some(picture)) = decoder.decode(&frame.data) else { return false };
    let is = |x, colour: [u8; 3]| {
        let [_, u, v] = picture.mean(x, 150, 60, 60);
        u.abs_diff(colour[1]) < 24 && v.abs_diff(colour[2]) < 24
    };
    (picture.width, picture.height) == (640, 360) && is(100, left) && is(460, right)
}

#[test]
fn a_phone_of_h264_and_a_browser_of_vp8_are_seen_in_one_picture() {
    let mut maker = Maker::new(PathBuf::from(env!("CARGO_BIN_EXE_ringback-pixels"))).expect("a maker");
    let mut cameras = [Camera::new(PHONE, VideoCodec::H264, GREEN), Camera::new(BROWSER, VideoCodec::Vp8, BLUE)];
    let mut decoder = Decoder::new(Coding::H264).expect("a decoder");
    assert!(maker.process_id().is_none(), "nothing runs before it is needed");
    maker.show(PICTURE, scene(VideoCodec::H264, Layout::Grid, &[PHONE, BROWSER]));

    run(&mut maker, &mut cameras, |frame, _| shows(&mut decoder, frame, GREEN, BLUE));

    maker.drop_picture(PICTURE);
    assert!(maker.process_id().is_none(), "nor after it");
}

#[test]
fn a_killed_process_costs_a_moment_and_its_pictures_go_on() {
    let mut maker = Maker::new(PathBuf::from(env!("CARGO_BIN_EXE_ringback-pixels"))).expect("a maker");
    let mut cameras = [Camera::new(PHONE, VideoCodec::H264, GREEN), Camera::new(BROWSER, VideoCodec::Vp8, BLUE)];
    maker.show(PICTURE, scene(VideoCodec::Vp8, Layout::Grid, &[PHONE, BROWSER]));
    let mut decoder = Decoder::new(Coding::Vp8).expect("a decoder");
    for _ in 0..3 {
        run(&mut maker, &mut cameras, |frame, _| shows(&mut decoder, frame, GREEN, BLUE));
        let killed = maker.process_id().expect("it runs");
        let pid = rustix::process::Pid::from_raw(killed as i32).expect("a number");
        rustix::process::kill_process(pid, rustix::process::Signal::KILL).expect("it is ours");

        let both = HashSet::from([PHONE, BROWSER]);
        run(&mut maker, &mut cameras, |frame, asked| shows(&mut decoder, frame, GREEN, BLUE) && *asked == both);
        assert_ne!(maker.process_id().expect("it runs"), killed);
    }
}

#[test]
fn a_program_that_cannot_be_started_is_tried_again_and_harms_nobody() {
    let mut maker = Maker::new(PathBuf::from("/nowhere/ringback-pixels")).expect("a maker");
    let mut camera = Camera::new(PHONE, VideoCodec::H264, GREEN);
    maker.show(PICTURE, scene(VideoCodec::H264, Layout::Speaker, &[PHONE]));
    for _ in 0..40 {
        camera.feed(&mut maker, false);
        assert!(wait(&mut maker).is_empty());
    }
}

#[test]
fn a_copy_keeps_the_size_of_its_source() {
    let mut maker = Maker::new(PathBuf::from(env!("CARGO_BIN_EXE_ringback-pixels"))).expect("a maker");
    let mut cameras = [Camera::new(PHONE, VideoCodec::H264, GREEN)];
    let mut decoder = Decoder::new(Coding::Vp8).expect("a decoder");
    maker.show(PICTURE, scene(VideoCodec::Vp8, Layout::Copy, &[PHONE]));

    run(&mut maker, &mut cameras, |frame, _| {
        let picture = decoder.decode(&frame.data).expect("it is ours").expect("a picture");
        (picture.width, picture.height) == (320, 180)
    });
}
