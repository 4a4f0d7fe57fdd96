//! The mix bus: who hears whom, and that nothing clicks.

mod common;

use common::{largest_step, take_apart, tone};
use ringback_audio::{Hears, Listener, MixBus, SourceKey};

const RATE: u32 = 16_000;
const FRAME: usize = 320;
/// A 400 Hz tone of 8000 steps at most this much from sample to sample.
const SMOOTH: i32 = 1300;

/// Tick `at` of a source's tone.
fn part(pcm: &[i16], tick: usize) -> &[i16] {
    &pcm[tick * FRAME..(tick + 1) * FRAME]
}

fn tick(bus: &mut MixBus, sources: &[(SourceKey, &[i16])]) {
    bus.begin();
    for (key, pcm) in sources {
        bus.add(*key, pcm);
    }
    bus.finish();
}

#[test]
fn everybody_hears_the_others_and_not_themselves() {
    let tones = [400.0, 700.0, 1100.0].map(|hertz| tone(RATE, hertz, 6000.0, FRAME * 50));
    let mut bus = MixBus::new(RATE);
    let mut listeners = [0, 1, 2].map(|own| Listener::new(Hears::AllBut(Some(own))));
    let mut heard = [const { Vec::new() }; 3];
    for at in 0..50 {
        tick(&mut bus, &[(0, part(&tones[0], at)), (1, part(&tones[1], at)), (2, part(&tones[2], at))]);
        for (listener, heard) in listeners.iter_mut().zip(&mut heard) {
            heard.extend_from_slice(listener.mix(&bus));
        }
    }

    for (own, heard) in heard.iter().enumerate() {
        for (other, hertz) in [400.0, 700.0, 1100.0].into_iter().enumerate() {
            let (amplitude, _) = take_apart(&heard[FRAME * 5..], RATE, hertz);
            let expected = if other == own { 0.0 } else { 6000.0 };
            assert!((amplitude - expected).abs() < 30.0, "{own} hears {amplitude} of {other}");
        }
    }
}

#[test]
fn one_source_alone_passes_bit_by_bit() {
    let loud = tone(RATE, 400.0, 32_767.0, FRAME * 3);
    let mut bus = MixBus::new(RATE);
    let mut listener = Listener::new(Hears::AllBut(None));
    tick(&mut bus, &[(1, part(&loud, 0))]);
    listener.mix(&bus);
    tick(&mut bus, &[(1, part(&loud, 1))]);

    assert_eq!(listener.mix(&bus), part(&loud, 1));
}

#[test]
fn a_listener_may_hear_only_some() {
    let constant = [1000i16; FRAME];
    let mut bus = MixBus::new(RATE);
    let mut listener = Listener::new(Hears::Only(vec![2, 3]));
    for _ in 0..2 {
        tick(&mut bus, &[(1, &constant), (2, &constant), (3, &constant)]);
        listener.mix(&bus);
    }

    assert_eq!(listener.mix(&bus), [2000; FRAME]);
    assert!(bus.is_heard(2) && !bus.is_heard(9));
}

#[test]
fn too_much_is_turned_down_and_not_cut() {
    let loud = tone(RATE, 400.0, 30_000.0, FRAME * 50);
    let mut bus = MixBus::new(RATE);
    let mut listener = Listener::new(Hears::AllBut(None));
    let mut heard = Vec::new();
    for at in 0..50 {
        let pcm = part(&loud, at);
        tick(&mut bus, &[(1, pcm), (2, pcm), (3, pcm)]);
        heard.extend_from_slice(listener.mix(&bus));
    }

    let (amplitude, rest) = take_apart(&heard[FRAME * 5..], RATE, 400.0);
    assert!((28_000.0..32_767.0).contains(&amplitude), "{amplitude}");
    assert!(rest < amplitude / 50.0, "{rest}");
}

#[test]
fn a_limiter_lets_go_again() {
    let mut bus = MixBus::new(RATE);
    let mut listener = Listener::new(Hears::AllBut(None));
    for _ in 0..5 {
        tick(&mut bus, &[(1, &[30_000; FRAME]), (2, &[30_000; FRAME])]);
        listener.mix(&bus);
    }
    for _ in 0..50 {
        tick(&mut bus, &[(1, &[5000; FRAME])]);
        listener.mix(&bus);
    }

    assert_eq!(listener.mix(&bus), [5000; FRAME]);
}

/// Plays a steady 400 Hz tone (key 1) under something that happens at ticks 10 to 40, and answers with the sound.
fn during(mut happen: impl FnMut(usize, &mut MixBus, &mut Listener, &[i16])) -> Vec<i16> {
    let other = tone(RATE, 400.0, 8000.0, FRAME * 50);
    let mut bus = MixBus::new(RATE);
    let mut listener = Listener::new(Hears::AllBut(None));
    let mut heard = Vec::new();
    for at in 0..50 {
        bus.begin();
        happen(at, &mut bus, &mut listener, part(&other, at));
        bus.finish();
        heard.extend_from_slice(listener.mix(&bus));
    }
    heard
}

#[test]
fn joining_and_leaving_do_not_click() {
    // 50 Hz of difference: the tone is cut wherever its phase happens to be.
    let heard = during(|at, bus, _, _| {
        let pcm = tone(RATE, 410.0, 8000.0, FRAME + at * 7).split_off(at * 7);
        if (10..40).contains(&at) {
            bus.add(2, &pcm[..FRAME]);
        } else if at == 40 {
            bus.remove(2);
        }
    });

    assert!(heard[..FRAME * 10].iter().all(|sample| *sample == 0));
    assert!(heard[FRAME * 42..].iter().all(|sample| *sample == 0));
    let joined = largest_step(&heard[FRAME * 10 - 10..FRAME * 11]);
    let left = largest_step(&heard[FRAME * 40 - 10..FRAME * 41]);
    assert!(joined < SMOOTH && left < SMOOTH, "{joined} {left}");
}

#[test]
fn leaving_after_the_last_sound_of_a_tick_does_not_click_and_coming_back_is_a_join() {
    let heard = during(|at, bus, _, pcm| {
        if at != 20 && at < 40 {
            bus.add(1, pcm);
        }
        if at == 19 || at == 39 {
            bus.remove(1);
        }
    });

    assert!(largest_step(&heard) < 2500, "{}", largest_step(&heard));
    assert!(heard[FRAME * 25..FRAME * 39].iter().any(|sample| *sample > 7900));
    assert!(heard[FRAME * 42..].iter().all(|sample| *sample == 0));
}

#[test]
fn muting_does_not_click_and_is_complete() {
    let heard = during(|at, bus, _, pcm| {
        match at {
            20 => bus.set_muted(1, true),
            30 => bus.set_muted(1, false),
            _ => {}
        }
        bus.add(1, pcm);
    });

    assert!(heard[FRAME * 21..FRAME * 30].iter().all(|sample| *sample == 0));
    assert!(largest_step(&heard) < SMOOTH, "{}", largest_step(&heard));
    assert!(heard[FRAME * 35..].iter().any(|sample| *sample > 7900));
}

#[test]
fn hearing_somebody_else_does_not_click() {
    let heard = during(|at, bus, listener, pcm| {
        bus.add(1, pcm);
        match at {
            20 => listener.set(Hears::Only(vec![])),
            30 => listener.set(Hears::AllBut(None)),
            _ => {}
        }
    });

    assert!(heard[FRAME * 21..FRAME * 30].iter().all(|sample| *sample == 0));
    assert!(largest_step(&heard) < SMOOTH, "{}", largest_step(&heard));
}

#[test]
fn frames_of_the_wrong_length_are_made_to_fit() {
    let mut bus = MixBus::new(RATE);
    let mut listener = Listener::new(Hears::AllBut(None));
    for _ in 0..2 {
        tick(&mut bus, &[(1, &[1000; 100]), (2, &[1000; 1000])]);
        listener.mix(&bus);
    }

    let heard = listener.mix(&bus);
    assert_eq!((heard.len(), heard[50], heard[200]), (FRAME, 2000, 1000));
}
