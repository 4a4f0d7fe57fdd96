//! How good a call sounds, as a number: the E-model with everything at its default that nobody can measure (ITU-T G.107).

use std::time::Duration;

/// What loss does to a codec (G.113 appendix I).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Impairment {
    /// Ie: what the codec costs without any loss.
    pub codec: f64,
    /// Bpl: how well it stands loss. The more, the better.
    pub robustness: f64,
}

/// Mean opinion score, 1.0 to 4.5, of sound that takes `delay` from mouth to ear and has lost `loss` (0 to 1) of its
/// frames for good: what concealment had to fill.
pub fn mos(impairment: Impairment, delay: Duration, loss: f64) -> f64 {
    let Impairment { codec, robustness } = impairment;
    let lost = loss.clamp(0.0, 1.0) * 100.0;
    let equipment = codec + (95.0 - codec) * lost / (lost + robustness);
    let ms = delay.as_secs_f64() * 1000.0;
    // §7.4, as it is commonly drawn: small up to 177.3 ms, where talkers begin to interrupt each other.
    let late = 0.024 * ms + 0.11 * (ms - 177.3).max(0.0);
    let r = (93.2 - equipment - late).clamp(0.0, 100.0);
    (1.0 + 0.035 * r + r * (r - 60.0) * (100.0 - r) * 7e-6).clamp(1.0, 4.5)
}

#[cfg(test)]
mod tests {
    use super::*;

    const G711: Impairment = Impairment { codec: 0.0, robustness: 25.1 };

    fn score(delay_ms: u64, loss: f64) -> f64 {
        (mos(G711, Duration::from_millis(delay_ms), loss) * 100.0).round() / 100.0
    }

    #[test]
    fn a_perfect_call_scores_what_the_model_gives_at_best() {
        assert_eq!(score(0, 0.0), 4.41);
    }

    #[test]
    fn loss_and_delay_cost_and_both_cost_more() {
        let scores = [score(50, 0.0), score(50, 0.01), score(50, 0.05), score(300, 0.05), score(300, 0.5)];

        assert!(scores.windows(2).all(|pair| pair[1] < pair[0]), "{scores:?}");
        assert!((4.3..4.41).contains(&scores[0]) && (3.6..4.0).contains(&scores[2]), "{scores:?}");
    }

    #[test]
    fn nothing_scores_below_one_or_above_four_and_a_half() {
        for (delay, loss) in [(0, -1.0), (100_000, 1.0), (0, 2.0), (0, f64::MIN)] {
            assert!((1.0..=4.5).contains(&score(delay, loss)));
        }
    }
}
