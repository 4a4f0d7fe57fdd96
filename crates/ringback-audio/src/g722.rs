//! G.722 at 64 kbit/s (mode 1): 16 kHz sound in two sub-bands, one byte for each pair of samples.
//!
//! Follows the blocks of ITU-T G.722 §5 and their names, in integers, so that it agrees with other implementations bit
//! by bit. The RTP clock runs at 8000 Hz (RFC 3551 §4.5.2): one byte is one tick.

const QMF: [i32; 12] = [3, -11, 12, 32, -210, 951, 3876, -805, 362, -156, 53, -11];
const QMF_MEMORY: usize = 22;

const DECISIONS: [i32; 30] = [
    0, 35, 72, 110, 150, 190, 233, 276, 323, 370, 422, 473, 530, 587, 650, 714, 786, 858, 940, 1023, 1121, 1219, 1339,
    1458, 1612, 1765, 1980, 2195, 2557, 2919,
];
const QM6: [i32; 64] = [
    -136, -136, -136, -136, -24808, -21904, -19008, -16704, -14984, -13512, -12280, -11192, -10232, -9360, -8576,
    -7856, -7192, -6576, -6000, -5456, -4944, -4464, -4008, -3576, -3168, -2776, -2400, -2032, -1688, -1360, -1040,
    -728, 24808, 21904, 19008, 16704, 14984, 13512, 12280, 11192, 10232, 9360, 8576, 7856, 7192, 6576, 6000, 5456,
    4944, 4464, 4008, 3576, 3168, 2776, 2400, 2032, 1688, 1360, 1040, 728, 432, 136, -432, -136,
];
const QM4: [i32; 16] =
    [0, -20456, -12896, -8968, -6288, -4240, -2584, -1200, 20456, 12896, 8968, 6288, 4240, 2584, 1200, 0];
const QM2: [i32; 4] = [-7408, -1616, 7408, 1616];
const RL42: [usize; 16] = [0, 7, 6, 5, 4, 3, 2, 1, 7, 6, 5, 4, 3, 2, 1, 0];
const WL: [i32; 8] = [-60, -30, 58, 172, 334, 538, 1198, 3042];
const RH2: [usize; 4] = [2, 1, 2, 1];
const WH: [i32; 3] = [0, -214, 798];
const ILB: [i32; 32] = [
    2048, 2093, 2139, 2186, 2233, 2282, 2332, 2383, 2435, 2489, 2543, 2599, 2656, 2714, 2774, 2834, 2896, 2960, 3025,
    3091, 3158, 3228, 3298, 3371, 3444, 3520, 3597, 3676, 3756, 3838, 3922, 4008,
];

fn saturate(value: i32) -> i32 {
    value.clamp(-32768, 32767)
}

/// One sub-band's adaptive predictor and quantiser scale, the same in encoder and decoder.
#[derive(Debug, Clone)]
struct Band {
    /// Prediction, and the part of it that the zeros make.
    s: i32,
    sz: i32,
    /// Reconstructed signal, partial reconstruction, difference signal; the newest last shifted in at 0.
    r: [i32; 2],
    p: [i32; 2],
    d: [i32; 6],
    /// Coefficients of the poles and of the zeros.
    a: [i32; 2],
    b: [i32; 6],
    /// Logarithmic and linear scale factor.
    nb: i32,
    det: i32,
}

impl Band {
    fn new(det: i32) -> Self {
        Self { s: 0, sz: 0, r: [0; 2], p: [0; 2], d: [0; 6], a: [0; 2], b: [0; 6], nb: 0, det }
    }

    /// Blocks LOGSCL/LOGSCH and SCALEL/SCALEH.
    fn scale(&mut self, weight: i32, limit: i32, shift: i32) {
        self.nb = (((self.nb * 127) >> 7) + weight).clamp(0, limit);
        let mantissa = ILB[((self.nb >> 6) & 31) as usize];
        let down = shift - (self.nb >> 11);
        self.det = (if down < 0 { mantissa << -down } else { mantissa >> down }) << 2;
    }

    /// Blocks RECONS, PARREC, UPPOL2, UPPOL1, UPZERO, DELAYA, FILTEP, FILTEZ and PREDIC.
    fn adapt(&mut self, d: i32) {
        let r = saturate(self.s + d);
        let p = saturate(self.sz + d);
        let same1 = p >> 15 == self.p[0] >> 15;
        let same2 = p >> 15 == self.p[1] >> 15;

        let four = saturate(self.a[0] << 2);
        let turned = (if same1 { -four } else { four }).min(32767);
        let a2 = (if same2 { 128 } else { -128 }) + (turned >> 7) + ((self.a[1] * 32512) >> 15);
        let a2 = a2.clamp(-12288, 12288);
        let bound = saturate(15360 - a2);
        let a1 = saturate((if same1 { 192 } else { -192 }) + ((self.a[0] * 32640) >> 15));
        self.a = [a1.clamp(-bound, bound), a2];

        let step = if d == 0 { 0 } else { 128 };
        let mut sz = 0;
        for (b, old) in self.b.iter_mut().zip(&self.d) {
            let turn = if old >> 15 == d >> 15 { step } else { -step };
            *b = saturate(turn + ((*b * 32640) >> 15));
        }
        self.d = [d, self.d[0], self.d[1], self.d[2], self.d[3], self.d[4]];
        for (b, d) in self.b.iter().zip(&self.d) {
            sz += (b * saturate(d + d)) >> 15;
        }
        self.r = [r, self.r[0]];
        self.p = [p, self.p[0]];
        let pole = |at: usize| (self.a[at] * saturate(self.r[at] + self.r[at])) >> 15;
        let sp = saturate(pole(0) + pole(1));
        self.sz = saturate(sz);
        self.s = saturate(sp + self.sz);
    }

    /// The lower band takes in the six-bit code it was sent as; its two lowest bits do not adapt anything.
    fn adapt_low(&mut self, code: usize) {
        let coarse = code >> 2;
        let difference = (self.det * QM4[coarse]) >> 15;
        self.scale(WL[RL42[coarse]], 18432, 8);
        self.adapt(difference);
    }

    /// The upper band takes in its two-bit code; answers with the dequantised difference.
    fn adapt_high(&mut self, code: usize) -> i32 {
        let difference = (self.det * QM2[code]) >> 15;
        self.scale(WH[RH2[code]], 22528, 10);
        self.adapt(difference);
        difference
    }
}

/// Turns 16 kHz sound into G.722.
#[derive(Debug, Clone)]
pub struct G722Encoder {
    low: Band,
    high: Band,
    samples: Vec<i32>,
}

impl Default for G722Encoder {
    fn default() -> Self {
        Self { low: Band::new(32), high: Band::new(8), samples: vec![0; QMF_MEMORY] }
    }
}

impl G722Encoder {
    /// Append a byte for each pair of int16 mono 16 kHz samples. An odd last sample is left out.
    pub fn encode(&mut self, pcm: &[i16], out: &mut Vec<u8>) {
        self.samples.extend(pcm.chunks_exact(2).flatten().map(|sample| i32::from(*sample)));
        let pairs = pcm.len() / 2;
        out.reserve(pairs);
        for pair in 0..pairs {
            let window = &self.samples[pair * 2..pair * 2 + 24];
            let (odd, even) = split(window);
            let low = self.encode_low((even + odd) >> 14);
            let high = self.encode_high((even - odd) >> 14);
            out.push((high << 6 | low) as u8);
        }
        self.samples.drain(..pairs * 2);
    }

    /// Adapt to bytes that somebody else encoded and the far end decodes: what is encoded next joins on without a jolt.
    pub fn follow(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.low.adapt_low(usize::from(byte & 0x3f));
            self.high.adapt_high(usize::from(byte >> 6));
        }
        self.samples.fill(0);
    }

    /// Blocks SUBTRA and QUANTL.
    fn encode_low(&mut self, sample: i32) -> usize {
        let difference = saturate(sample - self.low.s);
        let size = if difference >= 0 { difference } else { -(difference + 1) };
        let det = self.low.det;
        let above = DECISIONS[1..].partition_point(|decision| size >= (decision * det) >> 12) + 1;
        let code = match (difference < 0, above) {
            (true, 1) => 63,
            (true, 2) => 62,
            (true, above) => 34 - above,
            (false, above) => 62 - above,
        };
        self.low.adapt_low(code);
        code
    }

    /// Blocks SUBTRA and QUANTH.
    fn encode_high(&mut self, sample: i32) -> usize {
        let difference = saturate(sample - self.high.s);
        let size = if difference >= 0 { difference } else { -(difference + 1) };
        let large = size >= (564 * self.high.det) >> 12;
        let code = match (difference < 0, large) {
            (true, false) => 1,
            (true, true) => 0,
            (false, false) => 3,
            (false, true) => 2,
        };
        self.high.adapt_high(code);
        code
    }
}

/// Turns G.722 into 16 kHz sound.
#[derive(Debug, Clone)]
pub struct G722Decoder {
    low: Band,
    high: Band,
    samples: Vec<i32>,
}

impl Default for G722Decoder {
    fn default() -> Self {
        Self { low: Band::new(32), high: Band::new(8), samples: vec![0; QMF_MEMORY] }
    }
}

impl G722Decoder {
    /// Append two int16 mono 16 kHz samples for each byte.
    pub fn decode(&mut self, bytes: &[u8], out: &mut Vec<i16>) {
        for byte in bytes {
            let code = usize::from(byte & 0x3f);
            // Blocks INVQBL, RECONS and LIMIT.
            let low = self.low.s + ((self.low.det * QM6[code]) >> 15);
            let low = low.clamp(-16384, 16383);
            self.low.adapt_low(code);
            let prediction = self.high.s;
            let high = (prediction + self.high.adapt_high(usize::from(byte >> 6))).clamp(-16384, 16383);
            self.samples.extend([low + high, low - high]);
        }
        out.reserve(bytes.len() * 2);
        for pair in 0..bytes.len() {
            let (second, first) = split(&self.samples[pair * 2..pair * 2 + 24]);
            out.push(saturate(first >> 11) as i16);
            out.push(saturate(second >> 11) as i16);
        }
        self.samples.drain(..bytes.len() * 2);
    }
}

/// The two halves of the quadrature mirror filter over 24 samples.
fn split(window: &[i32]) -> (i32, i32) {
    let mut odd = 0;
    let mut even = 0;
    for (tap, pair) in window.chunks_exact(2).enumerate().take(12) {
        odd += pair[0] * QMF[tap];
        even += pair[1] * QMF[11 - tap];
    }
    (odd, even)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tone(from: usize, samples: usize) -> Vec<i16> {
        (from..from + samples).map(|n| (8000.0 * (n as f64 * 0.196).sin()) as i16).collect()
    }

    /// The peak of what a listener hears when a second encoder goes on with a tone that a first one began.
    fn peak_after_taking_over(follow: bool) -> i32 {
        let (mut first, mut second) = (G722Encoder::default(), G722Encoder::default());
        let mut decoder = G722Decoder::default();
        let (mut bytes, mut heard) = (Vec::new(), Vec::new());
        first.encode(&tone(0, 16_000), &mut bytes);
        decoder.decode(&bytes, &mut heard);
        if follow {
            second.follow(&bytes);
        }
        bytes.clear();
        heard.clear();
        second.encode(&tone(16_000, 1_600), &mut bytes);
        decoder.decode(&bytes, &mut heard);
        heard.iter().map(|sample| i32::from(*sample).abs()).max().unwrap_or(0)
    }

    #[test]
    fn an_encoder_that_followed_another_takes_over_without_a_jolt() {
        assert!(peak_after_taking_over(false) > 12_000, "a fresh encoder does jolt");
        assert!(peak_after_taking_over(true) < 9_500);
    }
}
