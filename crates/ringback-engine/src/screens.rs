//! What a video phone is shown when people come, go and speak, and when the network or a camera fails it.

use std::time::{Duration, Instant};

use ringback_rtp::video::VideoCodec::{self, H264, Vp8};

use crate::theatre::{BLUE, GREEN, RED, Terms, Theatre, WHITE, terms};

/// Issue's own words: the next picture within this.
const NEXT: Duration = Duration::from_millis(500);
const BACK: Duration = Duration::from_secs(1);
/// How far sound and picture may be apart.
const IN_STEP_MS: f64 = 80.0;

/// Codec of the cameras, and of the phone that watches.
const FORWARDED: [(VideoCodec, VideoCodec); 2] = [(Vp8, Vp8), (H264, H264)];
const COMPOSED: [(VideoCodec, VideoCodec); 2] = [(Vp8, H264), (H264, Vp8)];

fn all() -> impl Iterator<Item = (VideoCodec, VideoCodec)> {
    FORWARDED.into_iter().chain(COMPOSED)
}

#[test]
fn whoever_comes_speaks_or_goes_is_seen_within_half_a_second_and_nothing_grey_or_frozen_between() {
    for (cameras, watches) in all() {
        let mut theatre = Theatre::open();
        let eye = theatre.call("eye", terms(watches), None);
        let mut changes: Vec<(Instant, &str, [u8; 3])> = Vec::new();

        let ann = theatre.call("ann", terms(cameras), Some(GREEN));
        changes.push((theatre.worker.now, "ann came", GREEN));
        theatre.pass(1500);
        let bob = theatre.call("bob", terms(cameras), Some(BLUE));
        theatre.pass(1500);
        changes.push((theatre.worker.now, "bob speaks", BLUE));
        theatre.speaks(bob);
        theatre.pass(1000);
        // A key frame of ann was asked for just now, by somebody else: that is no reason to wait.
        let track = theatre.worker.phone_video(theatre.far[ann].key).unwrap().track.unwrap();
        theatre.worker.want_picture(track);
        theatre.pass(100);
        changes.push((theatre.worker.now, "ann speaks", GREEN));
        theatre.speaks(ann);
        theatre.pass(1000);
        let cat = theatre.call("cat", terms(cameras), Some(RED));
        theatre.pass(700);
        changes.push((theatre.worker.now, "cat speaks", RED));
        theatre.speaks(cat);
        theatre.pass(1000);
        changes.push((theatre.worker.now, "cat goes", GREEN));
        theatre.hang_up(cat);
        theatre.pass(1000);
        changes.push((theatre.worker.now, "ann goes", BLUE));
        theatre.hang_up(ann);
        theatre.pass(1000);
        let end = theatre.worker.now;

        for (at, what, colour) in &changes {
            let took = theatre.first_seen(eye, *colour, *at);
            assert!(took.is_some_and(|took| took <= NEXT), "{cameras:?} to {watches:?}: {what}: {took:?}");
        }
        let first = changes[0].0 + NEXT;
        let still = theatre.longest_still(eye, first, end);
        assert!(still <= NEXT, "{cameras:?} to {watches:?}: it stood still for {still:?}");
        // On a composed picture whoever came a moment ago is a name until its first whole picture is there.
        let seen = theatre.far[eye].seen.iter().filter(|seen| cameras == watches || seen.at >= first);
        let strange = seen.clone().find(|seen| ![GREEN, BLUE, RED].iter().any(|colour| seen.shows(*colour)));
        assert!(strange.is_none(), "{cameras:?} to {watches:?}: {strange:?}");
        assert_eq!(theatre.far[eye].broken, 0, "it decoded everything");
    }
}

#[test]
fn when_the_last_camera_goes_names_are_shown_and_when_one_comes_it_is_shown() {
    for (cameras, watches) in all() {
        let mut theatre = Theatre::open();
        let eye = theatre.call("eye", terms(watches), None);
        let ann = theatre.call("ann", terms(cameras), Some(GREEN));
        theatre.pass(1500);

        let went = theatre.worker.now;
        theatre.hang_up(ann);
        theatre.pass(2000);
        let next = theatre.far[eye].seen.iter().find(|seen| seen.at >= went + Duration::from_millis(100)).copied();
        assert!(next.is_some_and(|seen| seen.at <= went + NEXT && !seen.shows(GREEN)), "{watches:?}: {next:?}");
        let still = theatre.longest_still(eye, went + NEXT, theatre.worker.now);
        assert!(still <= NEXT, "{watches:?}: names stood still for {still:?}");

        let came = theatre.worker.now;
        theatre.call("bob", terms(cameras), Some(BLUE));
        theatre.pass(1500);
        let took = theatre.first_seen(eye, BLUE, came);
        assert!(took.is_some_and(|took| took <= NEXT), "{cameras:?} to {watches:?}: {took:?}");
    }
}

#[test]
fn a_camera_that_stood_still_for_two_seconds_is_seen_again_within_one() {
    for (cameras, watches) in all() {
        let mut theatre = Theatre::open();
        let eye = theatre.call("eye", terms(watches), None);
        let ann = theatre.call("ann", terms(cameras), Some(GREEN));
        theatre.pass(1500);
        theatre.freeze(ann, true);
        theatre.pass(2000);

        let back = theatre.worker.now;
        theatre.freeze(ann, false);
        theatre.pass(2000);

        let took = theatre.first_seen(eye, GREEN, back + Duration::from_millis(1));
        assert!(took.is_some_and(|took| took <= BACK), "{cameras:?} to {watches:?}: {took:?}");
        assert!(theatre.longest_still(eye, back + BACK, theatre.worker.now) <= NEXT);
        assert_eq!(theatre.far[eye].broken, 0);
    }
}

#[test]
fn three_percent_of_loss_stop_no_picture_for_a_second_where_packets_are_sent_again() {
    for (cameras, watches) in all() {
        let with_nack = |codec| Terms { nack: true, ..terms(codec) };
        let mut theatre = Theatre::open();
        let eye = theatre.call("eye", with_nack(watches), None);
        theatre.call("ann", with_nack(cameras), Some(GREEN));
        theatre.pass(1500);

        let from = theatre.worker.now;
        theatre.loss = 30;
        theatre.pass(20_000);

        let still = theatre.longest_still(eye, from, theatre.worker.now);
        let seen: Vec<_> = theatre.far[eye].seen.iter().filter(|seen| seen.at >= from).collect();
        assert!(still <= BACK, "{cameras:?} to {watches:?}: {still:?}");
        assert!(seen.len() > 250, "{cameras:?} to {watches:?}: of 300 pictures {} were seen", seen.len());
        assert!(seen.iter().all(|seen| seen.shows(GREEN)), "no picture is of anything else");
    }
}

#[test]
fn after_a_loss_that_is_over_the_picture_is_back_within_a_second_where_only_key_frames_can_be_asked_for() {
    for (cameras, watches) in all() {
        let mut theatre = Theatre::open();
        let eye = theatre.call("eye", terms(watches), None);
        theatre.call("ann", terms(cameras), Some(GREEN));
        theatre.pass(1500);
        for loss in [30, 1000] {
            theatre.loss = loss;
            theatre.pass(2000);
            theatre.loss = 0;
            let over = theatre.worker.now;
            theatre.pass(2000);

            let took = theatre.first_seen(eye, GREEN, over);
            assert!(took.is_some_and(|took| took <= BACK), "{cameras:?} to {watches:?}, {loss} ‰: {took:?}");
            assert!(theatre.longest_still(eye, over + BACK, theatre.worker.now) <= NEXT);
        }
        assert_eq!(theatre.far[eye].broken, 0);
    }
}

#[test]
fn a_composed_picture_has_the_size_rate_and_bitrate_that_were_asked_for_and_a_forwarded_one_is_as_it_was_sent() {
    for watches in [Vp8, H264] {
        let wanted = Terms { size: (1280, 720), bitrate_bps: 900_000, ..terms(watches) };
        let other = if watches == Vp8 { H264 } else { Vp8 };
        let mut theatre = Theatre::open();
        let eye = theatre.call("eye", wanted.clone(), None);
        for (id, colour) in [("ann", GREEN), ("bob", BLUE), ("cat", RED)] {
            theatre.call(id, Terms { size: (640, 360), bitrate_bps: 500_000, ..terms(other) }, Some(colour));
        }
        theatre.pass(3000);
        held(&mut theatre, eye, (1280, 720), 15, 900_000);
    }
    for codec in [Vp8, H264] {
        let camera = Terms { size: (640, 360), bitrate_bps: 600_000, ..terms(codec) };
        let mut theatre = Theatre::open();
        let eye = theatre.call("eye", Terms { size: (1280, 720), bitrate_bps: 600_000, ..terms(codec) }, None);
        theatre.call("ann", camera, Some(GREEN));
        theatre.pass(2000);
        held(&mut theatre, eye, (640, 360), 15, 600_000);
    }
}

/// Six seconds of it, as a phone decodes them and as its line carries them, RTP headers and all.
fn held(theatre: &mut Theatre, who: usize, size: (usize, usize), fps: usize, bitrate_bps: usize) {
    let from = theatre.worker.now;
    theatre.pass(6000);
    let phone = &theatre.far[who];
    let seen: Vec<_> = phone.seen.iter().filter(|seen| seen.at > from).collect();
    assert!(seen.iter().all(|seen| seen.size == size), "{:?}", seen.first());
    assert!(seen.len().abs_diff(6 * fps) <= 2, "{} pictures in 6 s", seen.len());
    let bits: usize = phone.received.iter().filter(|(at, _)| *at > from).map(|(_, length)| length * 8).sum();
    let held = bits / 6;
    assert!(held.abs_diff(bitrate_bps) <= bitrate_bps / 10, "{held} bit/s of {bitrate_bps}");
}

#[test]
fn a_flash_and_its_beep_come_in_step_and_reports_of_both_say_so_forwarded_mixed_and_composed() {
    for (cameras, watches) in [(Vp8, Vp8), (Vp8, H264), (H264, Vp8)] {
        for mixed in [false, true] {
            let what = format!("{cameras:?} to {watches:?}, mixed: {mixed}");
            let mut theatre = Theatre::open();
            theatre.flashes = true;
            // Flashes cost more than a steady picture.
            let eye = theatre.call("eye", Terms { bitrate_bps: 600_000, ..terms(watches) }, None);
            let ann = theatre.call("ann", terms(cameras), Some(GREEN));
            theatre.listen(eye, false);
            theatre.listen(ann, false);
            if mixed {
                let third = theatre.call("third", terms(watches), None);
                theatre.listen(third, true);
            }
            theatre.speaks(ann);
            theatre.pass(14_200);

            let phone = &theatre.far[eye];
            let flashes: Vec<_> = phone
                .seen
                .windows(2)
                .filter(|pair| !pair[0].shows(WHITE) && pair[1].shows(WHITE))
                .map(|pair| (pair[1].at, pair[1].timestamp))
                .skip(2)
                .collect();
            assert!(flashes.len() >= 8, "{what}: {flashes:?}");
            let (pictures, sound) = &phone.clocks;
            assert!(!sound.cname.is_empty() && pictures.cname == sound.cname, "{what}: {pictures:?} {sound:?}");
            for (at, timestamp) in flashes {
                let apart = |beep: &(Instant, u32)| {
                    let came = beep.0.max(at).duration_since(beep.0.min(at)).as_secs_f64() * 1000.0;
                    (came, (pictures.wall_ms(timestamp) - sound.wall_ms(beep.1)).abs())
                };
                let nearest = phone.beeps.iter().map(apart).min_by(|a, b| a.0.total_cmp(&b.0));
                let (came, said) = nearest.expect("there were beeps");
                assert!(came <= IN_STEP_MS, "{what}: they came {came:.0} ms apart");
                assert!(said <= IN_STEP_MS, "{what}: in step they would be {said:.0} ms apart");
            }
        }
    }
}
