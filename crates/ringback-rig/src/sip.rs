//! Just enough of a telephone's SIP to call a running server and to hang up: one call after the other, over UDP.

use std::io;
use std::net::{SocketAddr, SocketAddrV4, UdpSocket};
use std::time::{Duration, Instant};

/// How long an answer may take, and after what time a request is sent again.
const PATIENCE: Duration = Duration::from_secs(32);
const AGAIN: Duration = Duration::from_millis(500);

/// Calls from one address.
pub struct Dialler {
    socket: UdpSocket,
    server: SocketAddr,
    media: SocketAddr,
    calls: u32,
}

/// A call that was answered.
#[derive(Debug)]
pub struct Dialled {
    /// Where the server wants its sound.
    pub rtp: SocketAddrV4,
    number: u32,
    to: String,
    target: String,
}

impl Dialler {
    /// Calls to `server`, whose sound is to come to `media`.
    pub fn new(server: SocketAddr, media: SocketAddr) -> io::Result<Dialler> {
        let socket = UdpSocket::bind("127.0.0.1:0")?;
        socket.set_read_timeout(Some(AGAIN))?;
        Ok(Dialler { socket, server, media, calls: 0 })
    }

    /// Call somebody, and wait until they answer.
    pub fn dial(&mut self, user: &str) -> io::Result<Dialled> {
        self.calls += 1;
        let number = self.calls;
        let (ip, port) = (self.media.ip(), self.media.port());
        let sdp = format!(
            "v=0\r\no=- {number} 1 IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\nm=audio {port} RTP/AVP 0 101\r\n\
             a=rtpmap:0 PCMU/8000\r\na=rtpmap:101 telephone-event/8000\r\na=ptime:20\r\na=sendrecv\r\n"
        );
        let uri = format!("sip:{user}@{}", self.server);
        let contact = format!("Contact: <sip:rig@{}>\r\nContent-Type: application/sdp\r\n", self.local()?);
        let invite = self.request("INVITE", 1, number, &uri, &format!("<{uri}>"), &contact, &sdp)?;
        let answer = self.ask(&invite, number, "1 INVITE")?;
        let field = |name: &str| {
            let value =
                field(&answer, name).ok_or_else(|| io::Error::other(format!("an answer without {name}:\n{answer}")))?;
            Ok::<_, io::Error>(value.to_owned())
        };
        let (to, contact) = (field("To")?, field("Contact")?);
        let target = contact.split(['<', '>']).nth(1).unwrap_or(&contact).to_owned();
        let ack = self.request("ACK", 1, number, &target, &to, "", "")?;
        self.socket.send_to(ack.as_bytes(), self.server)?;
        let rtp = media_of(&answer).ok_or_else(|| io::Error::other(format!("no sound was agreed on:\n{answer}")))?;
        Ok(Dialled { rtp, number, to, target })
    }

    /// Hang up.
    pub fn hang_up(&mut self, call: &Dialled) -> io::Result<()> {
        let bye = self.request("BYE", 2, call.number, &call.target, &call.to, "", "")?;
        self.ask(&bye, call.number, "2 BYE").map(drop)
    }

    /// Send a request until its final answer, which must be a good one.
    fn ask(&self, request: &str, number: u32, cseq: &str) -> io::Result<String> {
        let begun = Instant::now();
        let mut buffer = [0; 8192];
        let mut sent = None::<Instant>;
        let mut heard = false;
        while begun.elapsed() < PATIENCE {
            if !heard && sent.is_none_or(|at| at.elapsed() >= AGAIN) {
                self.socket.send_to(request.as_bytes(), self.server)?;
                sent = Some(Instant::now());
            }
            let Ok((length, _)) = self.socket.recv_from(&mut buffer) else { continue };
            let message = String::from_utf8_lossy(&buffer[..length]).into_owned();
            let ours = field(&message, "CSeq") == Some(cseq)
                && field(&message, "Call-ID").is_some_and(|id| id.starts_with(&format!("{number}-")));
            let status = message.split(' ').nth(1).and_then(|word| word.parse::<u16>().ok());
            match status {
                Some(..200) if ours => heard = true,
                Some(200..300) if ours => return Ok(message),
                Some(_) if ours => {
                    return Err(io::Error::other(message.lines().next().unwrap_or_default().to_owned()));
                }
                _ => {}
            }
        }
        Err(io::Error::new(io::ErrorKind::TimedOut, format!("no answer to {cseq} of call {number}")))
    }

    #[allow(clippy::too_many_arguments)]
    fn request(
        &self,
        method: &str,
        cseq: u32,
        number: u32,
        uri: &str,
        to: &str,
        more: &str,
        body: &str,
    ) -> io::Result<String> {
        let local = self.local()?;
        let length = body.len();
        Ok(format!(
            "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP {local};branch=z9hG4bK-{number}-{cseq}-{method};rport\r\n\
             From: <sip:rig@{local}>;tag=rig{number}\r\nTo: {to}\r\nCall-ID: {number}-rig@{local}\r\n\
             CSeq: {cseq} {method}\r\nMax-Forwards: 70\r\n{more}Content-Length: {length}\r\n\r\n{body}"
        ))
    }

    fn local(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }
}

/// A header field's value, by its full name.
fn field<'a>(message: &'a str, name: &str) -> Option<&'a str> {
    let mut lines = message.split("\r\n").take_while(|line| !line.is_empty());
    lines.find_map(|line| {
        let (key, value) = line.split_once(':')?;
        key.trim().eq_ignore_ascii_case(name).then_some(value.trim())
    })
}

/// Where an answer wants the sound: its address and its port.
fn media_of(answer: &str) -> Option<SocketAddrV4> {
    let line = |start: &str| answer.lines().find_map(|line| line.trim_end().strip_prefix(start));
    let ip = line("c=IN IP4 ")?.parse().ok()?;
    let port = line("m=audio ")?.split(' ').next()?.parse().ok().filter(|port| *port != 0)?;
    Some(SocketAddrV4::new(ip, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANSWER: &str = "SIP/2.0 200 OK\r\nTo: <sip:a@b>;tag=7\r\ncontact: <sip:x@127.0.0.1:5060>\r\n\r\n\
                          v=0\r\nc=IN IP4 127.0.0.1\r\nm=audio 20010 RTP/AVP 0\r\n";

    #[test]
    fn an_answer_tells_where_to_speak_and_what_to_say_in_the_next_request() {
        assert_eq!(media_of(ANSWER), Some("127.0.0.1:20010".parse().unwrap()));
        assert_eq!(field(ANSWER, "To"), Some("<sip:a@b>;tag=7"));
        assert_eq!(field(ANSWER, "Contact"), Some("<sip:x@127.0.0.1:5060>"));
        assert_eq!(field(ANSWER, "c"), None, "what is behind the empty line is no field");
    }

    #[test]
    fn a_call_is_dialled_acknowledged_and_hung_up() {
        let server = UdpSocket::bind("127.0.0.1:0").unwrap();
        let at = server.local_addr().unwrap();
        let serving = std::thread::spawn(move || {
            let mut seen = Vec::new();
            let mut buffer = [0; 4096];
            while seen.len() < 3 {
                let (length, from) = server.recv_from(&mut buffer).unwrap();
                let message = String::from_utf8_lossy(&buffer[..length]).into_owned();
                let value = |name| field(&message, name).unwrap().to_owned();
                let body = ANSWER.split_once("\r\n\r\n").unwrap().1;
                for status in ["100 Trying", "200 OK"] {
                    let answer = format!(
                        "SIP/2.0 {status}\r\nCall-ID: {}\r\nCSeq: {}\r\nTo: {};tag=1\r\nContact: <sip:x@{at}>\r\n\r\n{body}",
                        value("Call-ID"),
                        value("CSeq"),
                        value("To"),
                    );
                    server.send_to(answer.as_bytes(), from).unwrap();
                }
                seen.push(message.split(' ').next().unwrap().to_owned());
            }
            seen
        });
        let mut dialler = Dialler::new(at, "127.0.0.1:4000".parse().unwrap()).unwrap();

        let call = dialler.dial("room").unwrap();
        dialler.hang_up(&call).unwrap();

        assert_eq!(call.rtp, "127.0.0.1:20010".parse().unwrap());
        assert_eq!(serving.join().unwrap(), ["INVITE", "ACK", "BYE"]);
    }
}
