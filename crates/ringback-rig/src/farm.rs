//! Browsers in a process of their own, so that the memory of this one is the server's alone.
//!
//! Both sides write frames to each other's pipe: a length of four octets, and text. The far side offers for one browser
//! after another and waits for each answer; when all are connected it says so, and publishes when it is told to.

use std::io::{self, Read, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use crate::browser::{Browser, Sends};

const CONNECTED: &str = "connected";
const TICK: Duration = Duration::from_millis(20);
/// Bytes of a packet of a picture, and how many of them there are in 20 ms: 2.6 Mbit/s.
const PICTURE: [usize; 6] = [1100; 6];
const SOUND: usize = 80;
const PATIENCE: Duration = Duration::from_secs(60);

/// What the first browser shows the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    /// Sound: 50 packets a second.
    Sound,
    /// Pictures and sound: 350 packets a second.
    Pictures,
}

/// The far side, from here.
pub struct Farm {
    child: Child,
    to: ChildStdin,
    from: ChildStdout,
}

/// An offer of one of its browsers.
pub struct FarOffer {
    /// M-line of its sound.
    pub audio: String,
    /// M-line of its pictures.
    pub video: Option<String>,
    /// SDP.
    pub sdp: String,
}

impl Farm {
    /// Start this program again, with one browser that sends and so many that listen. Its `main` calls [`farm_main`].
    pub fn start(listeners: usize, shown: Shown) -> io::Result<Farm> {
        let mut child = Command::new(std::env::current_exe()?)
            .args(["--farm", &listeners.to_string(), if shown == Shown::Pictures { "pictures" } else { "sound" }])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let pipes = child.stdin.take().zip(child.stdout.take());
        let (to, from) = pipes.ok_or_else(|| io::Error::other("both pipes were asked for"))?;
        Ok(Farm { child, to, from })
    }

    /// The next browser's offer; `None` when all were answered and are connected.
    pub fn offer(&mut self) -> io::Result<Option<FarOffer>> {
        let frame = read(&mut self.from)?;
        if frame == CONNECTED {
            return Ok(None);
        }
        let (mids, sdp) = frame.split_once('\n').ok_or_else(|| io::Error::other("an offer has two parts"))?;
        let mut mids = mids.split(' ').map(str::to_owned);
        let audio = mids.next().unwrap_or_default();
        Ok(Some(FarOffer { audio, video: mids.next(), sdp: sdp.to_owned() }))
    }

    /// The server's answer to it.
    pub fn answer(&mut self, sdp: &str) -> io::Result<()> {
        write(&mut self.to, sdp)
    }

    /// Let the first browser send for a time; how many packets the others took in it.
    pub fn publish(&mut self, time: Duration) -> io::Result<u64> {
        write(&mut self.to, &time.as_millis().to_string())?;
        read(&mut self.from)?.parse().map_err(io::Error::other)
    }
}

impl Drop for Farm {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The far side: does not return when this program was started by [`Farm::start`].
pub fn farm_main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [first, listeners, shown] = &words[..] else { return };
    if first == "--farm" {
        let listeners = listeners.parse().expect("a number of browsers");
        // The pipe closes when the other side has seen enough.
        let _ = serve(listeners, shown == "pictures");
        std::process::exit(0);
    }
}

fn serve(listeners: usize, pictures: bool) -> io::Result<()> {
    let (mut from, mut to) = (io::stdin().lock(), io::stdout().lock());
    let mut browsers = Vec::new();
    for number in 0..=listeners {
        let (mut browser, offer) = Browser::new(if number == 0 { Sends::Media } else { Sends::Nothing }, pictures)?;
        let video = browser.video.map_or(String::new(), |mid| format!(" {mid}"));
        write(&mut to, &format!("{}{video}\n{offer}", browser.audio))?;
        browser.accept(&read(&mut from)?)?;
        browsers.push(browser);
    }
    let begun = Instant::now();
    while !browsers.iter().all(Browser::is_connected) {
        if begun.elapsed() > PATIENCE {
            return Err(io::Error::other("the browsers do not connect"));
        }
        browsers.iter_mut().for_each(|browser| browser.run(|_, _| {}));
        std::thread::sleep(Duration::from_millis(1));
    }
    write(&mut to, CONNECTED)?;
    loop {
        let time = Duration::from_millis(read(&mut from)?.parse().map_err(io::Error::other)?);
        let before: u64 = browsers.iter().map(|browser| browser.received).sum();
        let begun = Instant::now();
        let ticks = (time.as_millis() / TICK.as_millis()) as u32;
        for tick in 0..ticks {
            browsers[0].publish(&PICTURE, SOUND);
            browsers.iter_mut().for_each(|browser| browser.run(|_, _| {}));
            std::thread::sleep((begun + TICK * (tick + 1)).saturating_duration_since(Instant::now()));
        }
        let received: u64 = browsers.iter().map(|browser| browser.received).sum();
        write(&mut to, &(received - before).to_string())?;
    }
}

fn write(to: &mut impl Write, text: &str) -> io::Result<()> {
    to.write_all(&(text.len() as u32).to_le_bytes())?;
    to.write_all(text.as_bytes())?;
    to.flush()
}

fn read(from: &mut impl Read) -> io::Result<String> {
    let mut length = [0; 4];
    from.read_exact(&mut length)?;
    let mut text = vec![0; u32::from_le_bytes(length) as usize];
    from.read_exact(&mut text)?;
    String::from_utf8(text).map_err(io::Error::other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_one_side_writes_the_other_reads() {
        let mut pipe = Vec::new();
        write(&mut pipe, "an offer\r\n").unwrap();
        write(&mut pipe, "").unwrap();

        let mut from = &pipe[..];
        assert_eq!(read(&mut from).unwrap(), "an offer\r\n");
        assert_eq!(read(&mut from).unwrap(), "");
        assert!(read(&mut from).is_err(), "nothing more");
    }
}
