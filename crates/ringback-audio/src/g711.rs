//! G.711 µ-law and A-law, by the definition of ITU-T G.191. One byte per sample at 8000 Hz.

static MU_ENCODE: [u8; 16384] = encode_table(Law::Mu);
static A_ENCODE: [u8; 16384] = encode_table(Law::A);
static MU_DECODE: [i16; 256] = decode_table(Law::Mu);
static A_DECODE: [i16; 256] = decode_table(Law::A);

/// µ-law silence.
pub const MU_SILENCE: u8 = 0xff;
/// A-law silence.
pub const A_SILENCE: u8 = 0xd5;

/// Append the µ-law bytes of int16 mono samples.
pub fn encode_mu(pcm: &[i16], out: &mut Vec<u8>) {
    out.extend(pcm.iter().map(|sample| MU_ENCODE[index(*sample)]));
}

/// Append the A-law bytes of int16 mono samples.
pub fn encode_a(pcm: &[i16], out: &mut Vec<u8>) {
    out.extend(pcm.iter().map(|sample| A_ENCODE[index(*sample)]));
}

/// Append the int16 mono samples of µ-law bytes.
pub fn decode_mu(bytes: &[u8], out: &mut Vec<i16>) {
    out.extend(bytes.iter().map(|byte| MU_DECODE[usize::from(*byte)]));
}

/// Append the int16 mono samples of A-law bytes.
pub fn decode_a(bytes: &[u8], out: &mut Vec<i16>) {
    out.extend(bytes.iter().map(|byte| A_DECODE[usize::from(*byte)]));
}

/// Neither law looks at the two lowest bits of a sample.
fn index(sample: i16) -> usize {
    usize::from(sample as u16 >> 2)
}

const fn encode_table(law: Law) -> [u8; 16384] {
    let mut table = [0; 16384];
    let mut at = 0;
    while at < table.len() {
        let sample = ((at as u16) << 2) as i16;
        table[at] = match law {
            Law::Mu => mu_compress(sample),
            Law::A => a_compress(sample),
        };
        at += 1;
    }
    table
}

const fn decode_table(law: Law) -> [i16; 256] {
    let mut table = [0; 256];
    let mut at = 0;
    while at < table.len() {
        table[at] = match law {
            Law::Mu => mu_expand(at as u8),
            Law::A => a_expand(at as u8),
        };
        at += 1;
    }
    table
}

#[derive(Clone, Copy)]
enum Law {
    Mu,
    A,
}

/// The magnitude as G.191 takes it: negative numbers in one's complement.
const fn magnitude(sample: i16) -> i32 {
    (if sample < 0 { !sample } else { sample }) as i32
}

const fn mu_compress(sample: i16) -> u8 {
    let biased = (magnitude(sample) >> 2) + 33;
    let biased = if biased > 0x1fff { 0x1fff } else { biased };
    let segment = 33 - (biased >> 6).leading_zeros() as i32;
    let high = 8 - segment;
    let low = 0xf - ((biased >> segment) & 0xf);
    let byte = (high << 4 | low) as u8;
    if sample >= 0 { byte | 0x80 } else { byte }
}

const fn mu_expand(byte: u8) -> i16 {
    let inverted = !byte as i32;
    let exponent = (inverted >> 4) & 7;
    let value = ((((inverted & 0xf) << 3) + 0x84) << exponent) - 0x84;
    (if byte < 0x80 { -value } else { value }) as i16
}

const fn a_compress(sample: i16) -> u8 {
    let mut value = magnitude(sample) >> 4;
    if value > 15 {
        let mut exponent = 1;
        while value > 16 + 15 {
            value >>= 1;
            exponent += 1;
        }
        value = value - 16 + (exponent << 4);
    }
    let byte = value as u8;
    (if sample >= 0 { byte | 0x80 } else { byte }) ^ 0x55
}

const fn a_expand(byte: u8) -> i16 {
    let bits = (byte ^ 0x55) as i32 & 0x7f;
    let exponent = bits >> 4;
    let mantissa = bits & 0xf;
    let value = ((if exponent > 0 { mantissa + 16 } else { mantissa }) << 4) + 8;
    let value = if exponent > 1 { value << (exponent - 1) } else { value };
    (if byte > 127 { value } else { -value }) as i16
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mu(sample: i16) -> u8 {
        MU_ENCODE[index(sample)]
    }

    fn a(sample: i16) -> u8 {
        A_ENCODE[index(sample)]
    }

    #[test]
    fn the_well_known_codes_are_right() {
        assert_eq!([0, 32767, -32768, -1].map(mu), [0xff, 0x80, 0x00, 0x7f]);
        assert_eq!([0, 32767, -32768, -1].map(a), [0xd5, 0xaa, 0x2a, 0x55]);
        assert_eq!((MU_DECODE[0x80], MU_DECODE[0x00], MU_DECODE[0xff]), (32124, -32124, 0));
        assert_eq!((A_DECODE[0xaa], A_DECODE[0x2a], A_DECODE[0xd5]), (32256, -32256, 8));
    }

    /// Tables 1a and 2a of G.711: the decision values at the ends of the segments, as 16-bit samples.
    #[test]
    fn the_decision_values_of_the_recommendation_divide_the_codes() {
        for (decision, code_below, code_above) in
            [(31 * 4, 0xf0u8, 0xef), (95 * 4, 0xe0, 0xdf), (479 * 4, 0xc0, 0xbf), (4063 * 4, 0x90, 0x8f)]
        {
            assert_eq!((mu(decision - 4), mu(decision)), (code_below, code_above), "{decision}");
        }
        for (decision, code_below, code_above) in
            [(64 * 8, 0x1fu8, 0x20), (512 * 8, 0x4f, 0x50), (2048 * 8, 0x6f, 0x70)]
        {
            let code = |sample| (a(sample) ^ 0x55) & 0x7f;
            assert_eq!((code(decision - 16), code(decision)), (code_below, code_above), "{decision}");
        }
    }

    #[test]
    fn every_code_survives_decoding_and_encoding() {
        for byte in 0..=255u8 {
            assert_eq!(a(A_DECODE[usize::from(byte)]), byte);
            // µ-law has two zeros; the negative one decodes to the same sample.
            let expected = if byte == 0x7f { 0xff } else { byte };
            assert_eq!(mu(MU_DECODE[usize::from(byte)]), expected);
        }
    }

    #[test]
    fn every_sample_is_decoded_within_half_a_step() {
        for sample in i16::MIN..=i16::MAX {
            let loudness = i32::from(sample).abs();
            for (decoded, clip, step) in [
                (MU_DECODE[usize::from(mu(sample))], 32124, (loudness + 132) / 16),
                (A_DECODE[usize::from(a(sample))], 32256, (loudness / 16).max(32)),
            ] {
                let error = (i32::from(sample) - i32::from(decoded)).abs();
                assert!(error <= step / 2 + 4 || loudness > clip, "{sample} became {decoded}");
            }
        }
    }

    #[test]
    fn codes_rise_with_the_sample() {
        let mut before = (i16::MIN, i16::MIN);
        for sample in i16::MIN..=i16::MAX {
            let decoded = (MU_DECODE[usize::from(mu(sample))], A_DECODE[usize::from(a(sample))]);
            assert!(decoded.0 >= before.0 && decoded.1 >= before.1);
            before = decoded;
        }
    }
}
