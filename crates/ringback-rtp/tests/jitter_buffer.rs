//! The jitter buffer on networks of every temper, hours of them in virtual time.

mod common;

use std::time::{Duration, Instant};

use common::{Random, buffer, flights, listen, ms};
use ringback_rtp::{JitterBuffer, JitterConfig, Pull, Pushed};

fn concealed_share(heard: &common::Heard) -> f64 {
    (heard.lost + heard.starved) as f64 / heard.ticks as f64
}

#[test]
fn a_calm_network_is_played_completely_with_little_delay() {
    for phase in [0, 7, 13, 19] {
        for ptime in [10, 20, 30, 40, 60] {
            let packets = flights(60_000 / ptime, ptime, 0.0, |_| Some(ms(40)));

            let heard = listen(&mut buffer(), &packets, ms(60_000), ms(phase));

            assert_eq!((heard.lost, heard.starved, heard.shrunk, heard.stretched), (0, 0, 0, 0), "{ptime} {phase}");
            assert!(heard.packets.windows(2).all(|pair| pair[1] == pair[0] + 1));
            let longest = heard.delays.iter().max().unwrap();
            assert!(*longest <= ms(60 + u64::from(ptime)), "{ptime}: {longest:?}");
        }
    }
}

#[test]
fn jitter_of_30_ms_leaves_less_than_one_percent_to_conceal() {
    for seed in 0..5 {
        let mut random = Random(seed);
        let packets = flights(30_000, 20, 0.0, |_| Some(Duration::from_secs_f64(0.02 + 0.03 * random.unit())));

        let heard = listen(&mut buffer(), &packets, ms(599_000), ms(seed * 4));

        assert!(concealed_share(&heard) < 0.01, "{}", concealed_share(&heard));
        assert!(heard.delays.iter().all(|delay| *delay < ms(90)), "{:?}", heard.delays.iter().max());
    }
}

#[test]
fn jitter_with_a_long_tail_leaves_less_than_one_percent_to_conceal() {
    let mut random = Random(77);
    let packets =
        flights(30_000, 20, 0.0, |_| Some(Duration::from_secs_f64(0.02 - 0.010 * random.unit().max(1e-9).ln())));

    let heard = listen(&mut buffer(), &packets, ms(599_000), ms(3));

    assert!(concealed_share(&heard) < 0.01, "{}", concealed_share(&heard));
}

#[test]
fn clocks_that_disagree_neither_fill_nor_drain_the_buffer_in_an_hour() {
    for ppm in [-200.0, 200.0] {
        let mut random = Random(5);
        let packets = flights(180_000, 20, ppm, |_| Some(Duration::from_secs_f64(0.02 + 0.01 * random.unit())));

        let heard = listen(&mut buffer(), &packets, ms(3_590_000), ms(11));

        assert!(concealed_share(&heard) < 0.001, "{ppm}: {}", concealed_share(&heard));
        assert!(heard.delays.iter().all(|delay| *delay < ms(80)), "{ppm}: {:?}", heard.delays.iter().max());
        // 200 ppm of an hour are 36 frames of 20 ms.
        assert!(heard.shrunk + heard.stretched + heard.starved <= 60, "{ppm}: {heard:?}");
    }
}

#[test]
fn lost_packets_are_concealed_one_for_one_and_add_no_delay() {
    let mut random = Random(8);
    let packets = flights(30_000, 20, 0.0, |_| (random.unit() > 0.05).then_some(ms(30)));
    let lost = 30_000 - packets.len() as u64;

    let heard = listen(&mut buffer(), &packets, ms(600_000), ms(9));

    let concealed = heard.lost + heard.starved;
    assert!((lost - 40..=lost + 5).contains(&concealed), "{lost} lost, {concealed} concealed");
    assert!(heard.delays.iter().all(|delay| *delay < ms(70)), "{:?}", heard.delays.iter().max());
}

#[test]
fn reordered_and_repeated_packets_come_out_in_order_once() {
    let mut random = Random(21);
    let mut packets = flights(5000, 20, 0.0, |_| Some(Duration::from_secs_f64(0.02 + 0.045 * random.unit())));
    let twice: Vec<_> = packets.iter().step_by(3).copied().collect();
    packets.extend(twice);
    packets.sort_by_key(|flight| flight.at);
    let mut buffer = buffer();

    let heard = listen(&mut buffer, &packets, ms(99_000), ms(0));

    assert!(heard.packets.windows(2).all(|pair| pair[1] > pair[0]));
    assert!(heard.packets.len() > 4880, "{}", heard.packets.len());
    assert!(buffer.stats().duplicates > 1000, "{:?}", buffer.stats());
}

#[test]
fn a_pause_of_the_sender_is_silence_not_loss() {
    let packets: Vec<_> = flights(3000, 20, 0.0, |n| ((n / 100) % 2 == 0).then_some(ms(25)))
        .into_iter()
        .enumerate()
        .map(|(n, flight)| common::Flight { sequence: n as u16, ..flight })
        .collect();

    let heard = listen(&mut buffer(), &packets, ms(60_000), ms(5));

    // Each of the 15 pauses begins with at most 60 ms of fading.
    assert!(heard.lost + heard.starved <= 15 * 3, "{heard:?}");
    assert_eq!(heard.packets.len(), 1500);
    assert!(heard.idle > 1400);
}

#[test]
fn a_delay_spike_is_played_late_and_then_caught_up() {
    let packets = flights(3000, 20, 0.0, |n| {
        // 150 ms late at packet 500, then a burst that catches up.
        let late = 150u64.saturating_sub(u64::from(n.wrapping_sub(500)) * 20);
        Some(ms(20 + if n >= 500 { late } else { 0 }))
    });

    let heard = listen(&mut buffer(), &packets, ms(59_000), ms(5));

    assert!(heard.packets.len() > 2930, "{}", heard.packets.len());
    assert!(*heard.delays.last().unwrap() < ms(70), "{:?}", heard.delays.last());
}

#[test]
fn a_calm_network_that_was_held_up_once_is_played_with_little_delay_again() {
    for phase in 0..20 {
        // 30 ms late at packet 500, the next one 10 ms.
        let late = |n: u32| 30u64.saturating_sub(u64::from(n.wrapping_sub(500)) * 20);
        let packets = flights(3000, 20, 0.0, |n| Some(ms(20 + if n >= 500 { late(n) } else { 0 })));

        let heard = listen(&mut buffer(), &packets, ms(59_000), ms(phase));

        let delay = *heard.delays.last().unwrap();
        assert!(delay <= ms(21), "{delay:?} at {phase}: of what comes 20 ms later");
        assert!(heard.lost + heard.starved + heard.shrunk <= 2, "{heard:?} at {phase}");
    }
}

#[test]
fn a_route_that_becomes_longer_is_followed_with_a_short_disturbance() {
    let packets = flights(3000, 20, 0.0, |n| Some(ms(if n < 1000 { 20 } else { 120 })));

    let heard = listen(&mut buffer(), &packets, ms(59_000), ms(5));

    assert!(heard.lost + heard.starved + heard.idle < 20, "{heard:?}");
    assert!(*heard.delays.last().unwrap() < ms(80));
}

/// `count` packets of 20 ms from `sequence` and `timestamp`, pushed and pulled in step.
fn speak(buffer: &mut JitterBuffer, now: &mut Instant, count: u32, sequence: u16, timestamp: u32) -> (u32, u32) {
    let (mut played, mut made_up) = (0, 0);
    for n in 0..count {
        buffer.push(*now, sequence.wrapping_add(n as u16), timestamp.wrapping_add(n * 160), 160, 0, &[0; 160]);
        match buffer.pull(*now, 0) {
            Pull::Packet(_) => played += 1,
            Pull::Lost { .. } | Pull::Starved => made_up += 1,
            Pull::Idle => {}
        }
        *now += ms(20);
    }
    (played, made_up)
}

#[test]
fn a_silence_that_was_told_of_is_neither_lost_nor_made_up_however_late_the_next_word_comes() {
    let mut buffer = buffer();
    let mut now = Instant::now();
    let (mut sequence, mut timestamp) = (65_500u16, 0xffff_f000u32);
    for pause in [1, 2, 5, 50, 500u32] {
        let (played, made_up) = speak(&mut buffer, &mut now, 50, sequence, timestamp);
        assert!(played >= 49 && made_up == 0, "{played} played and {made_up} made up before a pause of {pause}");
        (sequence, timestamp) = (sequence.wrapping_add(50), timestamp.wrapping_add(50 * 160));
        buffer.push_pause(now, sequence, timestamp, 13);
        sequence = sequence.wrapping_add(1);
        for _ in 0..pause {
            assert!(!matches!(buffer.pull(now, 0), Pull::Lost { .. } | Pull::Starved), "a pause of {pause}");
            now += ms(20);
            timestamp = timestamp.wrapping_add(160);
        }
    }

    let stats = buffer.stats();
    assert_eq!((stats.concealed, stats.late, stats.discarded, stats.restarts), (0, 0, 0, 0), "{stats:?}");
}

#[test]
fn what_was_told_to_be_silence_and_is_sound_is_played() {
    let mut buffer = buffer();
    let mut now = Instant::now();
    let (mut played, mut made_up) = (0, 0);
    for n in 0..100u32 {
        // An event and the sound beside it begin at one time.
        if n % 10 == 5 {
            buffer.push_pause(now, (n * 2) as u16, n * 160, 101);
        }
        buffer.push(now, (n * 2 + 1) as u16, n * 160, 160, 0, &[0; 160]);
        match buffer.pull(now, 0) {
            Pull::Packet(_) => played += 1,
            Pull::Lost { .. } | Pull::Starved => made_up += 1,
            Pull::Idle => {}
        }
        now += ms(20);
    }

    assert!(played >= 98 && made_up == 0, "{played} played, {made_up} made up");
}

#[test]
fn a_jump_of_the_timestamps_starts_anew_after_two_packets() {
    let mut buffer = buffer();
    let mut now = Instant::now();
    speak(&mut buffer, &mut now, 100, 10, 1000);

    let (played, made_up) = speak(&mut buffer, &mut now, 100, 40_000, 900_000_000);

    assert!(played >= 95, "{played}");
    assert!(made_up <= 4, "{made_up}");
    assert_eq!(buffer.stats().restarts, 1);
}

#[test]
fn one_wild_packet_disturbs_nobody() {
    let mut buffer = buffer();
    let mut now = Instant::now();
    speak(&mut buffer, &mut now, 50, 10, 1000);

    assert_eq!(buffer.push(now, 999, 777_777_777, 160, 0, &[1; 160]), Pushed::Suspect);
    let (played, made_up) = speak(&mut buffer, &mut now, 50, 60, 1000 + 50 * 160);

    assert_eq!((played, made_up), (50, 0));
}

#[test]
fn what_is_empty_or_endless_is_refused() {
    let mut buffer = buffer();
    let now = Instant::now();

    assert_eq!(buffer.push(now, 1, 0, 0, 0, &[]), Pushed::Refused);
    assert_eq!(buffer.push(now, 1, 0, 160, 0, &[]), Pushed::Refused);
    assert_eq!(buffer.push(now, 1, 0, 8001, 0, &[0; 8001]), Pushed::Refused);
    assert_eq!(buffer.pull(now, 0), Pull::Idle);
}

#[test]
fn a_flood_is_bounded_by_the_capacity() {
    let mut buffer = buffer();
    let now = Instant::now();
    for n in 0..5000u32 {
        buffer.push(now, n as u16, n * 160, 160, 0, &[0; 160]);
    }

    assert!(buffer.len() <= JitterConfig::new(8000).capacity);
}

#[test]
fn any_sequence_of_pushes_and_pulls_is_survived() {
    let mut random = Random(99);
    for clock_rate in [8000, 48_000] {
        let mut buffer = JitterBuffer::new(JitterConfig::new(clock_rate));
        let mut now = Instant::now();
        for _ in 0..100_000 {
            let wild = random.next().is_multiple_of(20);
            let mask = if wild { u32::MAX } else { 0xffff };
            let ticks = (random.next() % 1000) as u32;
            let (sequence, timestamp) = (random.next() as u16, random.next() as u32 & mask);
            if random.next().is_multiple_of(10) {
                buffer.push_pause(now, sequence.wrapping_sub(1), timestamp, 13);
            }
            buffer.push(now, sequence, timestamp, ticks, 0, &[0; 3]);
            if random.next().is_multiple_of(2)
                && let Pull::Lost { ticks } = buffer.pull(now, (random.next() % 2000) as u32)
            {
                assert!(ticks > 0 && ticks <= clock_rate / 50);
            }
            buffer.pace(now, 0);
            now += Duration::from_micros(random.next() % 40_000);
        }
        assert!(buffer.len() <= 128);
    }
}
