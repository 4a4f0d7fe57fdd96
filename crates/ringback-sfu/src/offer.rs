//! What of a browser's offer is listened to: str0m reads a line of SDP in microseconds, and most lines of a browser's are
//! about codecs that nobody here speaks.

use std::collections::HashSet;

/// In the offers of those who say when packets arrived, so that their path can be estimated: browsers, not bots.
pub const TELLS_ARRIVALS: &str = "transport-wide-cc";
/// Codecs of pictures that are forwarded, as `a=rtpmap` names them, and that of what is sent again (RFC 4588).
const PICTURES: [&str; 2] = ["vp8", "h264"];
const AGAIN: &str = "rtx";

/// Header extensions that are understood (RFC 8285); the others would be refused.
const EXTENSIONS: [&str; 7] = [
    "urn:ietf:params:rtp-hdrext:ssrc-audio-level",
    "urn:ietf:params:rtp-hdrext:sdes:mid",
    "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id",
    "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id",
    "urn:3gpp:video-orientation",
    "abs-send-time",
    TELLS_ARRIVALS,
];
/// What each m-line says anew though it is said of the whole: ICE's and DTLS's, which all m-lines share (RFC 9143 §7.1.3).
const SHARED: [&str; 5] = ["a=ice-ufrag:", "a=ice-pwd:", "a=ice-options:", "a=fingerprint:", "a=candidate:"];
/// What nothing follows from.
const IDLE: [&str; 4] = ["c=", "a=rtcp:", "a=rtcp-rsize", "a=extmap-allow-mixed"];

/// An offer without what would be refused, or be of no use:
///
/// - feedback on when packets of sound arrive. Only pictures can be sent otherwise when a path is narrow; for sound alone
///   it is two packets for each five that are forwarded, and nobody uses it;
/// - codecs of pictures that are not forwarded, and profiles of H.264 that are not, unless there are no others;
/// - header extensions that nobody here understands, and what an earlier m-line has said in the same words.
pub fn heard(sdp: &str) -> String {
    let mut heard = String::with_capacity(sdp.len());
    let mut said = HashSet::new();
    for part in parts(sdp) {
        let new = lines(part).filter(|line| !SHARED.iter().any(|kind| line.starts_with(kind)) || said.insert(*line));
        let of_use = new.filter(|line| !IDLE.iter().any(|idle| line.starts_with(idle)) && !is_refused_extension(line));
        match part.as_bytes() {
            [b'm', b'=', b'a', ..] => heard.extend(of_use.filter(|line| !is_feedback(line))),
            [b'm', b'=', b'v', ..] => without(&refused(part), of_use, &mut heard),
            _ => heard.extend(of_use),
        }
    }
    heard
}

/// An answer with what browsers are to be told about sound with earlier sound in it (RFC 2198), and the m-lines on which it
/// was agreed: only where it was offered, and before the plain codec where the offer has it there, or it is not sent.
pub fn agreed(offer: &str, answer: &str) -> (String, Vec<String>) {
    let mut said = String::with_capacity(answer.len());
    let mut mids = Vec::new();
    let offered = parts(offer);
    for (at, part) in parts(answer).into_iter().enumerate() {
        let theirs = offered.get(at).copied().unwrap_or_default();
        let Some(pt) = redundant(part).filter(|_| part.starts_with("m=audio")) else {
            said.push_str(part);
            continue;
        };
        if redundant(theirs).is_none_or(|offered| offered != pt) {
            without(&[pt], lines(part), &mut said);
            continue;
        }
        mids.extend(lines(part).find_map(|line| line.strip_prefix("a=mid:")).map(|mid| mid.trim_end().to_owned()));
        match preferred(theirs, part, pt) {
            Some(head) => said.extend([&*head, &part[part.find('\n').unwrap_or(part.len())..]]),
            None => said.push_str(part),
        }
    }
    (said, mids)
}

/// The first line of an answer's part with this payload type before all others, if the offer has it before them.
fn preferred(offered: &str, answered: &str, pt: &str) -> Option<String> {
    let (theirs, ours) = (words(offered), words(answered));
    let place = |wanted: &str| theirs.iter().skip(3).position(|known| *known == wanted);
    let (first, others) = (place(pt)?, ours.iter().skip(3).copied().filter(|known| *known != pt));
    if others.clone().any(|other| place(other).is_some_and(|at| at < first)) {
        return None;
    }
    let ordered: Vec<&str> = ours.iter().take(3).copied().chain([pt]).chain(others).collect();
    Some(ordered.join(" ") + "\r")
}

/// The words of a part's first line.
fn words(part: &str) -> Vec<&str> {
    part.lines().next().unwrap_or_default().split(' ').collect()
}

/// What is said of the whole, and each m-line's part.
fn parts(sdp: &str) -> Vec<&str> {
    let starts: Vec<usize> = sdp.match_indices("\nm=").map(|(at, _)| at + 1).collect();
    let ends = starts.iter().copied().chain([sdp.len()]);
    std::iter::once(0).chain(starts.iter().copied()).zip(ends).map(|(from, to)| &sdp[from..to]).collect()
}

/// The payload type of sound with earlier sound in it.
fn redundant(part: &str) -> Option<&str> {
    lines(part).find_map(|line| {
        let (pt, name) = line.strip_prefix("a=rtpmap:")?.split_once(' ')?;
        name.get(..4).is_some_and(|name| name.eq_ignore_ascii_case("red/")).then_some(pt)
    })
}

fn lines(part: &str) -> impl Iterator<Item = &str> {
    part.split_inclusive('\n')
}

fn is_refused_extension(line: &str) -> bool {
    let uri = line.strip_prefix("a=extmap:").and_then(|rest| rest.split_ascii_whitespace().nth(1));
    uri.is_some_and(|uri| !EXTENSIONS.iter().any(|known| uri.contains(known)))
}

/// Add an m-line's lines without these payload types; with them, if nothing would be left of it.
fn without<'a>(refused: &[&str], mut lines: impl Iterator<Item = &'a str>, heard: &mut String) {
    let first = lines.next().unwrap_or_default();
    let words = first.trim_end().split(' ').enumerate();
    let stays: Vec<&str> =
        words.filter(|(at, word)| *at < 3 || !refused.contains(word)).map(|(_, word)| word).collect();
    if stays.len() <= 3 {
        heard.push_str(first);
        return heard.extend(lines);
    }
    heard.push_str(&stays.join(" "));
    heard.push_str(&first[first.trim_end().len()..]);
    heard.extend(lines.filter(|line| payload_type(line).is_none_or(|pt| !refused.contains(&pt))));
}

fn is_feedback(line: &str) -> bool {
    line.starts_with("a=extmap:") && line.contains(TELLS_ARRIVALS)
        || line.starts_with("a=rtcp-fb:") && line.trim_end().ends_with("transport-cc")
}

/// Payload types of an m-line's codecs that are not forwarded, and those by which they would be sent again.
fn refused(part: &str) -> Vec<&str> {
    let maps = |wanted: fn(&str) -> bool| {
        let mapped = lines(part).filter_map(|line| line.strip_prefix("a=rtpmap:")?.split_once(' '));
        mapped.filter(move |(_, name)| wanted(name.split('/').next().unwrap_or_default())).map(|(pt, _)| pt)
    };
    let settings = lines(part).filter_map(|line| line.strip_prefix("a=fmtp:")?.trim_end().split_once(' '));
    let settings: Vec<(&str, &str)> = settings.collect();
    let mut refused: Vec<&str> =
        maps(|name| !PICTURES.iter().chain([&AGAIN]).any(|known| name.eq_ignore_ascii_case(known))).collect();
    refused.extend(settings.iter().filter(|(_, said)| is_other_profile(said)).map(|(pt, _)| *pt));
    for again in maps(|name| name.eq_ignore_ascii_case(AGAIN)) {
        let mut of = settings.iter().filter(|(pt, _)| *pt == again).filter_map(|(_, said)| said.strip_prefix("apt="));
        if of.any(|of| refused.contains(&of)) {
            refused.push(again);
        }
    }
    refused
}

/// Whether settings of H.264 name another profile than the constrained Baseline (RFC 6184 §8.1, table 5), the one that is
/// spoken. What is not said in the usual way is left to whoever answers.
fn is_other_profile(settings: &str) -> bool {
    let id = settings.split_once("profile-level-id=").and_then(|(_, id)| id.get(..4));
    match id.and_then(|id| u16::from_str_radix(id, 16).ok()) {
        None => false,
        Some(id) => {
            !matches!((id >> 8, id & 0xff), (0x42, iop) if iop & 0x4f == 0x40)
                && !matches!((id >> 8, id & 0xff), (0x4d, iop) if iop & 0x8f == 0x80)
                && !matches!((id >> 8, id & 0xff), (0x58, iop) if iop & 0xcf == 0xc0)
        }
    }
}

/// The payload type that a line is about.
fn payload_type(line: &str) -> Option<&str> {
    let rest = ["a=rtpmap:", "a=fmtp:", "a=rtcp-fb:"].iter().find_map(|kind| line.strip_prefix(kind))?;
    rest.split([' ', '\r', '\n']).next()
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: &str = "v=0\r\ns=-\r\na=group:BUNDLE 0 1 2\r\n";
    const SOUND: &str = "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=rtpmap:111 opus/48000/2\r\na=fmtp:111 useinbandfec=1\r\n";
    const PICTURE: &str = "m=video 9 UDP/TLS/RTP/SAVPF 96 97\r\na=rtpmap:96 VP8/90000\r\na=rtcp-fb:96 transport-cc\r\n\
        a=rtpmap:97 rtx/90000\r\na=fmtp:97 apt=96\r\na=extmap:3 http://example/transport-wide-cc-02\r\n";

    #[test]
    fn feedback_is_left_to_pictures_and_all_else_is_heard_as_it_was_said() {
        let asked = "a=rtcp-fb:111 transport-cc\r\na=extmap:3 http://example/transport-wide-cc-02\r\n";
        let data = "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\na=mid:2";

        let offer = [FIRST, SOUND, asked, PICTURE, SOUND, asked, data].concat();

        assert_eq!(heard(&offer), [FIRST, SOUND, PICTURE, SOUND, data].concat());
    }

    #[test]
    fn codecs_that_nobody_forwards_are_left_out_with_what_belongs_to_them() {
        let more = "a=rtpmap:98 VP9/90000\r\na=fmtp:98 profile-id=0\r\na=rtcp-fb:98 nack\r\na=rtpmap:99 rtx/90000\r\n\
            a=fmtp:99 apt=98\r\n";
        let last = "a=rtpmap:100 h264/90000\r\na=fmtp:100 packetization-mode=1\r\na=mid:1\r\n";
        let all = PICTURE.replace("96 97\r", "98 99 96 97 100\r");
        let kept = PICTURE.replace("96 97\r", "96 97 100\r");

        assert_eq!(heard(&[FIRST, &all, more, last].concat()), [FIRST, &kept, last].concat());
    }

    #[test]
    fn of_h264_only_the_profile_that_is_spoken_is_heard() {
        let of = |pt: u8, id: &str| format!("a=rtpmap:{pt} H264/90000\r\na=fmtp:{pt} profile-level-id={id}\r\n");
        let spoken = [of(102, "42e01f"), of(103, "4D8020"), of(104, "58c00a")].concat();
        let unknown = "a=rtpmap:105 H264/90000\r\na=fmtp:105 profile-level-id=4\r\n";
        let refused = [of(106, "42001f"), of(107, "4d001f"), of(108, "64001f")].concat();
        let again = "a=rtpmap:109 rtx/90000\r\na=fmtp:109 apt=108\r\n";

        let offer = format!("m=video 9 X 102 103 104 105 106 107 108 109\r\n{spoken}{unknown}{refused}{again}");

        assert_eq!(heard(&offer), format!("m=video 9 X 102 103 104 105\r\n{spoken}{unknown}"));
    }

    #[test]
    fn what_is_said_of_the_whole_is_heard_once_and_what_nobody_understands_not_at_all() {
        let whole = "a=ice-ufrag:u\r\na=ice-pwd:p\r\na=fingerprint:sha-256 AB\r\na=candidate:1 1 udp 1 192.0.2.1 9 typ host\r\n";
        let own = "a=setup:actpass\r\na=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid\r\n";
        let idle = "c=IN IP4 0.0.0.0\r\na=rtcp:9 IN IP4 0.0.0.0\r\na=extmap:6/recvonly urn:x:playout-delay\r\n";
        let part = |all: &[&str]| format!("m=audio 9 X 111\r\n{}", all.concat());

        let offer = [part(&[idle, whole, own]), part(&[whole, idle, own]), part(&["a=ice-ufrag:other\r\n"])];

        assert_eq!(
            heard(&offer.concat()),
            [part(&[whole, own]), part(&[own]), part(&["a=ice-ufrag:other\r\n"])].concat()
        );
    }

    #[test]
    fn a_camera_without_any_codec_of_ours_is_refused_by_whoever_answers() {
        let offer = "m=video 9 UDP/TLS/RTP/SAVPF 98\r\na=rtpmap:98 VP9/90000\r\n";

        assert_eq!(heard(offer), offer);
    }

    #[test]
    fn earlier_sound_is_agreed_on_where_it_was_offered_and_in_the_order_of_the_offer() {
        let maps = "a=rtpmap:111 opus/48000/2\r\na=rtpmap:63 red/48000/2\r\na=fmtp:63 111/111\r\n";
        let part = |types: &str, mid: &str| format!("m=audio 9 X {types}\r\n{maps}a=mid:{mid}\r\n");
        let plain = |mid: &str| format!("m=audio 9 X 111 0\r\na=rtpmap:111 opus/48000/2\r\na=mid:{mid}\r\n");
        let offer = [FIRST, &part("63 111 0", "a"), &part("111 63 0", "b"), &plain("c"), PICTURE].concat();
        let answer = [FIRST, &part("111 63 0", "a"), &part("111 63 0", "b"), &part("111 63 0", "c"), PICTURE].concat();

        let (said, mids) = agreed(&offer, &answer);

        let wanted = [FIRST, &part("63 111 0", "a"), &part("111 63 0", "b"), &plain("c"), PICTURE].concat();
        assert_eq!((said, mids), (wanted, vec!["a".to_owned(), "b".to_owned()]));
        assert_eq!(agreed("", FIRST), (FIRST.to_owned(), vec![]));
        assert_eq!(agreed("", &part("111 63 0", "a")).1, Vec::<String>::new());
    }

    #[test]
    fn what_is_no_offer_is_heard_as_it_is() {
        for text in ["", "\n", "m=", "m=video", "m=video\na=rtpmap:", "m=audio\n\n\nm=", "a=rtpmap:1 x\nm=x\n"] {
            assert_eq!(heard(text), text);
        }
    }
}
