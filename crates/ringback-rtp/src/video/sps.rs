//! The size of a picture by H.264's sequence parameters (§7.3.2.1.1), of which a stranger may have written anything.

/// Why no size is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BadSps {
    /// They are none, or of a profile that we do not negotiate.
    Broken,
    /// They say something beyond a limit.
    TooMuch,
}

/// Sides of the coded picture by the bytes behind the header of an SPS: whole macroblocks, cropping not taken off.
pub fn size(unit: &[u8]) -> Result<(usize, usize), BadSps> {
    let mut bits = Bits::new(unit);
    let profile = bits.bits(8)?;
    bits.bits(16)?;
    if bits.ue()? > 31 {
        return Err(BadSps::Broken);
    }
    match profile {
        66 | 77 | 88 => {}
        100 => high_profile(&mut bits)?,
        _ => return Err(BadSps::Broken),
    }
    if bits.ue()? > 12 {
        return Err(BadSps::Broken);
    }
    picture_order(&mut bits)?;
    if bits.ue()? > 16 {
        return Err(BadSps::TooMuch);
    }
    bits.bit()?;
    let (across, down) = (bits.ue()? as usize + 1, bits.ue()? as usize + 1);
    let fields = bits.bit()? == 0;
    Ok((across * 16, down * 16 * if fields { 2 } else { 1 }))
}

/// Bits of a unit, emulation prevention taken out (§7.4.1).
struct Bits {
    bytes: Vec<u8>,
    at: usize,
}

impl Bits {
    /// An SPS is short: what lies behind its first 256 bytes is not read.
    fn new(unit: &[u8]) -> Bits {
        let mut bytes = Vec::with_capacity(unit.len().min(256));
        let mut zeros = 0;
        for &byte in unit.iter().take(256) {
            if zeros >= 2 && byte == 3 {
                zeros = 0;
                continue;
            }
            zeros = if byte == 0 { zeros + 1 } else { 0 };
            bytes.push(byte);
        }
        Bits { bytes, at: 0 }
    }

    fn bit(&mut self) -> Result<u32, BadSps> {
        let byte = self.bytes.get(self.at / 8).ok_or(BadSps::Broken)?;
        let bit = byte >> (7 - self.at % 8) & 1;
        self.at += 1;
        Ok(u32::from(bit))
    }

    fn bits(&mut self, n: u32) -> Result<u32, BadSps> {
        (0..n).try_fold(0, |value, _| Ok(value << 1 | self.bit()?))
    }

    /// ue(v), §9.1; values beyond 16 bits are nothing that an SPS may hold.
    fn ue(&mut self) -> Result<u32, BadSps> {
        let mut zeros = 0;
        while self.bit()? == 0 {
            zeros += 1;
            if zeros > 16 {
                return Err(BadSps::TooMuch);
            }
        }
        Ok((1 << zeros) - 1 + self.bits(zeros)?)
    }

    fn se(&mut self) -> Result<i32, BadSps> {
        let value = self.ue()? as i32;
        Ok(if value % 2 == 0 { -(value / 2) } else { value / 2 + 1 })
    }
}

/// 8 bits, 4:2:0, nothing else.
fn high_profile(bits: &mut Bits) -> Result<(), BadSps> {
    if bits.ue()? != 1 || bits.ue()? != 0 || bits.ue()? != 0 {
        return Err(BadSps::Broken);
    }
    bits.bit()?;
    if bits.bit()? == 1 {
        for list in 0..8 {
            if bits.bit()? == 1 {
                scaling_list(bits, if list < 6 { 16 } else { 64 })?;
            }
        }
    }
    Ok(())
}

fn scaling_list(bits: &mut Bits, size: usize) -> Result<(), BadSps> {
    let (mut last, mut next) = (8i32, 8i32);
    for _ in 0..size {
        if next != 0 {
            next = (last + bits.se()?).rem_euclid(256);
        }
        last = if next == 0 { last } else { next };
    }
    Ok(())
}

fn picture_order(bits: &mut Bits) -> Result<(), BadSps> {
    match bits.ue()? {
        0 if bits.ue()? <= 12 => Ok(()),
        1 => {
            bits.bit()?;
            wide_se(bits)?;
            wide_se(bits)?;
            let cycle = bits.ue()?;
            if cycle > 255 {
                return Err(BadSps::Broken);
            }
            (0..cycle).try_for_each(|_| wide_se(bits))
        }
        2 => Ok(()),
        _ => Err(BadSps::Broken),
    }
}

/// An se(v) of up to 32 bits whose value does not matter.
fn wide_se(bits: &mut Bits) -> Result<(), BadSps> {
    let mut zeros = 0;
    while bits.bit()? == 0 {
        zeros += 1;
        if zeros > 32 {
            return Err(BadSps::Broken);
        }
    }
    (0..zeros).try_for_each(|_| bits.bit().map(drop))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Constrained baseline, 640x368 in macroblocks (640x360 before cropping), as an encoder wrote it.
    const SPS: [u8; 9] = [0x42, 0xc0, 0x1e, 0xda, 0x02, 0x80, 0xbf, 0xe5, 0x40];

    #[test]
    fn sides_are_read_in_whole_macroblocks_and_what_is_cut_off_is_broken() {
        assert_eq!(size(&SPS), Ok((640, 368)));
        assert_eq!(size(&SPS[..5]), Err(BadSps::Broken));
        assert_eq!(size(&[]), Err(BadSps::Broken));
    }
}
