//! How loud sound is.

/// Root mean square of int16 samples in dBov: 0 for a full-scale square wave, −127 for silence or nothing.
pub fn level_dbov(pcm: &[i16]) -> f32 {
    if pcm.is_empty() {
        return -127.0;
    }
    let energy: i64 = pcm.iter().map(|sample| i64::from(i32::from(*sample) * i32::from(*sample))).sum();
    let power = energy as f32 / pcm.len() as f32 / (32768.0 * 32768.0);
    (10.0 * power.max(1e-13).log10()).max(-127.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn full_scale_is_zero_half_is_six_down_and_silence_is_the_floor() {
        assert!(level_dbov(&[-32768, 32767]).abs() < 0.01);
        assert!((level_dbov(&[-16384, 16384]) + 6.02).abs() < 0.01);
        assert_eq!((level_dbov(&[0; 160]), level_dbov(&[])), (-127.0, -127.0));
    }
}
