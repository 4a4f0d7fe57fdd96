//! An hour on each of many networks: so much loss, alone or in bursts, so much jitter, and a clock that runs fast or slow.
//! The buffer neither grows nor starves on any of them.

mod common;

use std::time::Duration;

use common::{Heard, Random, buffer, flights, listen, ms};

const HOUR: u32 = 60 * 60;

/// What a network does to a stream.
#[derive(Debug, Clone, Copy)]
struct Network {
    lost_percent: u64,
    /// Mean length of a group of lost packets.
    burst: f64,
    jitter_ms: u64,
    skew_ppm: f64,
}

/// Which packets arrive: a chain of two states (Gilbert).
fn losses(network: Network) -> impl FnMut(&mut Random) -> bool {
    let share = network.lost_percent as f64 / 100.0;
    let (enter, leave) = match network.burst {
        burst if burst > 1.0 => (share / (1.0 - share) / burst, 1.0 / burst),
        _ => (share, 1.0 - share),
    };
    let mut losing = false;
    move |random| {
        losing = if losing { random.unit() >= leave } else { random.unit() < enter };
        losing
    }
}

/// Listens for `seconds`; answers also how many packets were lost.
fn through(network: Network, seconds: u32) -> (Heard, u64) {
    let mut random = Random(network.lost_percent * 1000 + network.jitter_ms);
    let mut is_lost = losses(network);
    let packets = flights(seconds * 50, 20, network.skew_ppm, |_| {
        let delay = Duration::from_secs_f64(0.02 + network.jitter_ms as f64 / 1000.0 * random.unit());
        (!is_lost(&mut random)).then_some(delay)
    });
    let lost = u64::from(seconds * 50) - packets.len() as u64;
    (listen(&mut buffer(), &packets, ms(u64::from(seconds) * 1000 - 1000), ms(11)), lost)
}

fn mean(delays: &[Duration]) -> Duration {
    delays.iter().sum::<Duration>() / delays.len() as u32
}

/// Added delay at most the ideal buffer (the whole of its even jitter, or the tick it waits for) plus 15 ms, the same in
/// the last minutes of the hour as in the first, and hardly anything made up beyond what was lost.
fn assert_steady(network: Network, seconds: u32) {
    let (heard, lost) = through(network, seconds);

    let made_up = heard.lost + heard.starved + heard.idle;
    let beyond = made_up.saturating_sub(lost) as f64 / heard.ticks as f64;
    assert!(beyond < 0.005, "{network:?}: {:.2} % beyond what was lost", beyond * 100.0);
    let tenth = heard.delays.len() / 10;
    let (first, last) = (mean(&heard.delays[10..tenth]), mean(&heard.delays[heard.delays.len() - tenth..]));
    assert!(last < first + ms(10) && first < last + ms(10), "{network:?}: {first:?} became {last:?}");
    let most = ms(network.jitter_ms.max(20) + 15);
    assert!(mean(&heard.delays) <= most, "{network:?}: {:?}", mean(&heard.delays));
    let longest = heard.delays.iter().max().unwrap();
    assert!(*longest <= ms(network.jitter_ms + 120), "{network:?}: {longest:?} once");
}

fn networks() -> impl Iterator<Item = Network> {
    let of = |lost_percent, jitter_ms| {
        [1.0, 3.0].map(|burst| [-200.0, 200.0].map(|skew_ppm| Network { lost_percent, burst, jitter_ms, skew_ppm }))
    };
    let loss_and_jitter =
        [0, 1, 3, 5, 10].into_iter().flat_map(|lost| [0, 10, 30, 60, 100].map(|jitter| (lost, jitter)));
    loss_and_jitter.flat_map(move |(lost, jitter)| of(lost, jitter)).flatten()
}

#[test]
fn an_hour_of_any_loss_jitter_and_skew_neither_fills_nor_starves_the_buffer() {
    networks().for_each(|network| assert_steady(network, HOUR));
}
