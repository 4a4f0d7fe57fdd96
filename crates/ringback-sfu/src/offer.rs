//! What of a browser's offer is listened to: str0m reads a line of SDP in microseconds, and most lines of a browser's are
//! about codecs that nobody here speaks.

/// In the offers of those who say when packets arrived, so that their path can be estimated: browsers, not bots.
pub const TELLS_ARRIVALS: &str = "transport-wide-cc";
/// Codecs of pictures that are forwarded, as `a=rtpmap` names them, and that of what is sent again (RFC 4588).
const PICTURES: [&str; 2] = ["vp8", "h264"];
const AGAIN: &str = "rtx";

/// An offer without what would be refused, or be of no use:
///
/// - feedback on when packets of sound arrive. Only pictures can be sent otherwise when a path is narrow; for sound alone
///   it is two packets for each five that are forwarded, and nobody uses it;
/// - codecs of pictures that are not forwarded, unless there are no others.
pub fn heard(sdp: &str) -> String {
    let mut heard = String::with_capacity(sdp.len());
    let mut rest = sdp;
    while !rest.is_empty() {
        let end = rest.match_indices("\nm=").map(|(at, _)| at + 1).next().unwrap_or(rest.len());
        let (part, behind) = rest.split_at(end);
        rest = behind;
        match part.as_bytes() {
            [b'm', b'=', b'a', ..] => heard.extend(lines(part).filter(|line| !is_feedback(line))),
            [b'm', b'=', b'v', ..] => without(part, &refused(part), &mut heard),
            _ => heard.push_str(part),
        }
    }
    heard
}

fn lines(part: &str) -> impl Iterator<Item = &str> {
    part.split_inclusive('\n')
}

/// Add an m-line's part without these payload types; as it is, if nothing would be left of it.
fn without(part: &str, refused: &[&str], heard: &mut String) {
    let (first, rest) = part.split_at(part.find('\n').map_or(part.len(), |end| end + 1));
    let words = first.trim_end().split(' ').enumerate();
    let stays: Vec<&str> =
        words.filter(|(at, word)| *at < 3 || !refused.contains(word)).map(|(_, word)| word).collect();
    if refused.is_empty() || stays.len() <= 3 {
        return heard.push_str(part);
    }
    heard.push_str(&stays.join(" "));
    heard.push_str(&first[first.trim_end().len()..]);
    heard.extend(lines(rest).filter(|line| payload_type(line).is_none_or(|pt| !refused.contains(&pt))));
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
    let mut refused: Vec<&str> =
        maps(|name| !PICTURES.iter().chain([&AGAIN]).any(|known| name.eq_ignore_ascii_case(known))).collect();
    for again in maps(|name| name.eq_ignore_ascii_case(AGAIN)) {
        let of = lines(part).filter_map(|line| line.strip_prefix("a=fmtp:")?.trim_end().split_once(" apt="));
        let of: Vec<&str> = of.filter(|(pt, _)| *pt == again).map(|(_, of)| of).collect();
        if of.iter().any(|of| refused.contains(of)) {
            refused.push(again);
        }
    }
    refused
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
    fn a_camera_without_any_codec_of_ours_is_refused_by_whoever_answers() {
        let offer = "m=video 9 UDP/TLS/RTP/SAVPF 98\r\na=rtpmap:98 VP9/90000\r\n";

        assert_eq!(heard(offer), offer);
    }

    #[test]
    fn what_is_no_offer_is_heard_as_it_is() {
        for text in ["", "\n", "m=", "m=video", "m=video\na=rtpmap:", "m=audio\n\n\nm=", "a=rtpmap:1 x\nm=x\n"] {
            assert_eq!(heard(text), text);
        }
    }
}
