//! Session keys out of a master key (RFC 3711 §4.3, with a derivation rate of zero; RFC 6188 §2; RFC 7714 §11).

use aws_lc_rs::cipher::{AES_128, AES_256, EncryptingKey, EncryptionContext, UnboundCipherKey};

use super::MasterKey;

/// Which session key: the label of RFC 3711 §4.3.2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Label {
    RtpKey = 0,
    RtpAuth = 1,
    RtpSalt = 2,
    RtcpKey = 3,
    RtcpAuth = 4,
    RtcpSalt = 5,
}

/// `length` octets of the session key that goes by `label`.
pub(super) fn derive(master: &MasterKey, label: Label, length: usize) -> Vec<u8> {
    let mut block = [0u8; 16];
    block[..master.salt.len()].copy_from_slice(&master.salt);
    // The label sits seven octets before the end of the 14 of the salt; the index is 0 for good.
    block[7] ^= label as u8;
    let mut out = vec![0; length];
    counter_mode(&counter_key(&master.key), block, &mut out);
    out
}

/// An AES key of 16 or 32 octets for counter mode.
pub(super) fn counter_key(key: &[u8]) -> EncryptingKey {
    let algorithm = if key.len() == 32 { &AES_256 } else { &AES_128 };
    let key = UnboundCipherKey::new(algorithm, key).and_then(EncryptingKey::ctr);
    key.expect("AES takes keys of 16 and 32 octets, and nothing else gets here")
}

/// Encrypt, or decrypt, in place.
pub(super) fn counter_mode(key: &EncryptingKey, iv: [u8; 16], data: &mut [u8]) {
    let done = key.less_safe_encrypt(data, EncryptionContext::Iv128((&iv).into()));
    done.expect("counter mode takes any length");
}

#[cfg(test)]
mod tests {
    use super::super::Suite;
    use super::*;

    fn hex(text: &str) -> Vec<u8> {
        (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
    }

    #[test]
    fn session_keys_are_those_of_rfc_3711_appendix_b_3() {
        let inline = "e1f97a0d3e018be0d64fa32c06de41390ec675ad498afeebb6960b3aabe6";
        let master = MasterKey::new(Suite::AesCm128Sha1_80, &hex(inline)).unwrap();

        assert_eq!(derive(&master, Label::RtpKey, 16), hex("c61e7a93744f39ee10734afe3ff7a087"));
        assert_eq!(derive(&master, Label::RtpSalt, 14), hex("30cbbc08863d8c85d49db34a9ae1"));
        assert_eq!(derive(&master, Label::RtpAuth, 20), hex("cebe321f6ff7716b6fd4ab49af256a156d38baa4"));
    }

    #[test]
    fn session_keys_of_256_bits_are_those_of_rfc_6188_section_7() {
        let inline = "f0f04914b513f2763a1b1fa130f10e2998f6f6e43e4309d1e622a0e332b9f1b63b04803de51ee7c96423ab5b78d2";
        let master = MasterKey::new(Suite::AesCm256Sha1_80, &hex(inline)).unwrap();

        let key = "5ba1064e30ec51613cad926c5a28ef731ec7fb397f70a960653caf06554cd8c4";
        assert_eq!(derive(&master, Label::RtpKey, 32), hex(key));
        assert_eq!(derive(&master, Label::RtpSalt, 14), hex("fa31791685ca444a9e07c6c64e93"));
        assert_eq!(derive(&master, Label::RtpAuth, 20), hex("fd9c32d39ed5fbb5a9dc96b30818454d1313dc05"));
    }

    #[test]
    fn the_key_stream_is_that_of_rfc_3711_appendix_b_2() {
        let key = counter_key(&hex("2b7e151628aed2a6abf7158809cf4f3c"));
        let mut iv = [0; 16];
        iv[..14].copy_from_slice(&hex("f0f1f2f3f4f5f6f7f8f9fafbfcfd"));
        let mut stream = [0; 48];

        counter_mode(&key, iv, &mut stream);

        let expected =
            "e03ead0935c95e80e166b16dd92b4eb4d23513162b02d0f72a43a2fe4a5f97ab41e95b3bb0a2e8dd477901e4fca894c0";
        assert_eq!(stream.to_vec(), hex(expected));
    }
}
