//! Who shakes hands on a port: several addresses side by side, until one has the certificate that SDP told of.
//!
//! A stranger's handshake costs the stranger's handshake (CVE-2023-49786): it neither stands in the way of the far
//! end's nor ends the call. Only who comes from where the far end is known to be can fail for it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use ringback_rtp::{Certificate, DtlsError, Fingerprint, Handshake, SessionKeys};

/// Handshakes that go on at a time.
const SIDE_BY_SIDE: usize = 4;
/// Handshakes that strangers may begin, in all: each costs a signature.
const STRANGERS: u32 = 16;

/// Handshakes that may break with a far end that is where it should be: then it cannot do what we can.
const BROKEN: u32 = 4;

/// What SDP said of the keys that are to be agreed on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DtlsTerms {
    /// The far end's certificate has one of these.
    pub fingerprints: Vec<Fingerprint>,
    /// Whether we begin (`a=setup:active`).
    pub is_active: bool,
}

/// Datagrams to be sent, and where to.
pub type Datagrams = Vec<(SocketAddr, Vec<u8>)>;

/// What a step of it brought.
#[derive(Debug, PartialEq, Eq)]
pub enum Progress {
    Going,
    /// The keys, and the address that proved itself.
    Keyed(Box<SessionKeys>, SocketAddr),
    /// There will be none: the far end is not who SDP said, or cannot do what we can.
    Failed(String),
}

struct Trial {
    with: SocketAddr,
    is_believed: bool,
    handshake: Handshake,
}

/// One agreement, from its offer/answer on.
pub struct Association {
    certificate: Arc<Certificate>,
    terms: DtlsTerms,
    trials: Vec<Trial>,
    agreed: Option<Trial>,
    strangers: u32,
    broken: u32,
}

impl Association {
    pub fn new(certificate: Arc<Certificate>, terms: DtlsTerms) -> Association {
        Association { certificate, terms, trials: Vec::new(), agreed: None, strangers: 0, broken: 0 }
    }

    pub fn terms(&self) -> &DtlsTerms {
        &self.terms
    }

    /// Speak first, where that is for us to do and has not been done.
    pub fn begin(&mut self, now: Instant, with: SocketAddr, out: &mut Datagrams) -> Progress {
        if !self.terms.is_active || self.agreed.is_some() || self.trials.iter().any(|trial| trial.with == with) {
            return Progress::Going;
        }
        self.trials.clear();
        self.push(now, with, true);
        self.wake(now, out)
    }

    /// A datagram from `from`; `is_believed`: the far end is known to be there.
    pub fn receive(
        &mut self,
        now: Instant,
        from: SocketAddr,
        is_believed: bool,
        datagram: &[u8],
        out: &mut Datagrams,
    ) -> Progress {
        if let Some(agreed) = &mut self.agreed {
            if agreed.with == from {
                let _ = step(agreed, out, |handshake, out| handshake.receive(now, datagram, out));
            }
            return Progress::Going;
        }
        if !self.trials.iter().any(|trial| trial.with == from) {
            // Who is spoken to first does not begin.
            if self.terms.is_active || !is_believed && self.strangers >= STRANGERS {
                return Progress::Going;
            }
            self.strangers += u32::from(!is_believed);
            self.push(now, from, is_believed);
        }
        let at = self.trials.iter().position(|trial| trial.with == from).expect("it is there or was just made");
        let outcome = step(&mut self.trials[at], out, |handshake, out| handshake.receive(now, datagram, out));
        self.settle(at, outcome)
    }

    /// Time has passed.
    pub fn wake(&mut self, now: Instant, out: &mut Datagrams) -> Progress {
        let due = |trial: &Trial| trial.handshake.next_wake().is_some_and(|at| at <= now);
        while let Some(at) = self.trials.iter().position(due) {
            let outcome = step(&mut self.trials[at], out, |handshake, out| handshake.wake(now, out));
            match self.settle(at, outcome) {
                Progress::Going => {}
                done => return done,
            }
        }
        Progress::Going
    }

    /// When [`wake`](Self::wake) is due.
    pub fn next_wake(&self) -> Option<Instant> {
        self.trials.iter().filter_map(|trial| trial.handshake.next_wake()).min()
    }

    fn push(&mut self, now: Instant, with: SocketAddr, is_believed: bool) {
        if self.trials.len() >= SIDE_BY_SIDE {
            let stranger = self.trials.iter().position(|trial| !trial.is_believed);
            self.trials.remove(stranger.unwrap_or(0));
        }
        let wanted = self.terms.fingerprints.clone();
        let handshake = Handshake::new(&self.certificate, self.terms.is_active, wanted, now);
        self.trials.push(Trial { with, is_believed, handshake });
    }

    fn settle(&mut self, at: usize, outcome: Result<Option<SessionKeys>, DtlsError>) -> Progress {
        match outcome {
            Ok(None) => Progress::Going,
            Ok(Some(keys)) => {
                let agreed = self.trials.swap_remove(at);
                let with = agreed.with;
                self.trials.clear();
                self.agreed = Some(agreed);
                Progress::Keyed(Box::new(keys), with)
            }
            Err(why) => {
                let trial = self.trials.swap_remove(at);
                match why {
                    // It may begin again, a few times.
                    DtlsError::Broken(_) if !trial.is_believed || self.broken + 1 < BROKEN => {
                        self.broken += u32::from(trial.is_believed);
                        Progress::Going
                    }
                    why if trial.is_believed => Progress::Failed(why.to_string()),
                    _ => Progress::Going,
                }
            }
        }
    }
}

fn step(
    trial: &mut Trial,
    out: &mut Datagrams,
    what: impl FnOnce(&mut Handshake, &mut Vec<Vec<u8>>) -> Result<Option<SessionKeys>, DtlsError>,
) -> Result<Option<SessionKeys>, DtlsError> {
    let mut made = Vec::new();
    let outcome = what(&mut trial.handshake, &mut made);
    out.extend(made.into_iter().map(|datagram| (trial.with, datagram)));
    outcome
}

impl std::fmt::Debug for Association {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Association").field("terms", &self.terms).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    pub fn fingerprint(certificate: &Certificate) -> Fingerprint {
        let (hash, digits) = certificate.fingerprint().split_once(' ').unwrap();
        let octets: Vec<u8> = digits.split(':').map(|two| u8::from_str_radix(two, 16).unwrap()).collect();
        Fingerprint::new(hash, &octets).unwrap()
    }

    fn certificate() -> Arc<Certificate> {
        Arc::new(Certificate::generate().unwrap())
    }

    fn place(host: u8) -> SocketAddr {
        ([192, 0, 2, host], 5004).into()
    }

    /// Lets a client at `from` shake hands with `ours`; the last that is not merely going on.
    fn shake(ours: &mut Association, client: &mut Handshake, from: SocketAddr, is_believed: bool) -> Progress {
        let mut now = Instant::now();
        let mut last = Progress::Going;
        for _ in 0..10 {
            let mut up = Vec::new();
            let _ = client.wake(now, &mut up);
            while !up.is_empty() {
                let mut down = Vec::new();
                for datagram in std::mem::take(&mut up) {
                    match ours.receive(now, from, is_believed, &datagram, &mut down) {
                        Progress::Going => {}
                        done => last = done,
                    }
                }
                for (to, datagram) in down {
                    assert_eq!(to, from, "answers go to who asked");
                    let _ = client.receive(now, &datagram, &mut up);
                }
            }
            now += Duration::from_millis(400);
        }
        last
    }

    #[test]
    fn a_stranger_who_shakes_hands_first_neither_ends_the_call_nor_stands_in_the_way() {
        let (mine, far, stranger) = (certificate(), certificate(), certificate());
        let terms = DtlsTerms { fingerprints: vec![fingerprint(&far)], is_active: false };
        let mut ours = Association::new(mine.clone(), terms);

        let mut odd = Handshake::new(&stranger, true, vec![fingerprint(&mine)], Instant::now());
        assert_eq!(shake(&mut ours, &mut odd, place(66), false), Progress::Going);
        let mut real = Handshake::new(&far, true, vec![fingerprint(&mine)], Instant::now());
        let outcome = shake(&mut ours, &mut real, place(1), true);

        assert!(matches!(outcome, Progress::Keyed(_, from) if from == place(1)), "{outcome:?}");
        let mut late = Handshake::new(&far, true, vec![fingerprint(&mine)], Instant::now());
        assert_eq!(shake(&mut ours, &mut late, place(66), true), Progress::Going, "keys are agreed on once");
    }

    #[test]
    fn another_certificate_from_where_the_far_end_is_ends_it() {
        let (mine, far, other) = (certificate(), certificate(), certificate());
        let terms = DtlsTerms { fingerprints: vec![fingerprint(&far)], is_active: false };
        let mut ours = Association::new(mine.clone(), terms);

        let mut wrong = Handshake::new(&other, true, vec![fingerprint(&mine)], Instant::now());
        let outcome = shake(&mut ours, &mut wrong, place(1), true);

        assert!(matches!(outcome, Progress::Failed(_)), "{outcome:?}");
    }

    #[test]
    fn strangers_begin_a_few_handshakes_and_no_more() {
        let (mine, far) = (certificate(), certificate());
        let terms = DtlsTerms { fingerprints: vec![fingerprint(&far)], is_active: false };
        let mut ours = Association::new(mine.clone(), terms);
        let mut hello = Vec::new();
        let _ = Handshake::new(&far, true, vec![fingerprint(&mine)], Instant::now()).wake(Instant::now(), &mut hello);

        let mut answered = 0;
        for host in 0..200 {
            let mut out = Datagrams::new();
            ours.receive(Instant::now(), place(host), false, &hello[0], &mut out);
            answered += usize::from(!out.is_empty());
            assert!(ours.trials.len() <= SIDE_BY_SIDE);
            assert!(out.iter().map(|(_, datagram)| datagram.len()).sum::<usize>() <= hello[0].len());
        }

        assert_eq!(answered, STRANGERS as usize);
        let mut real = Handshake::new(&far, true, vec![fingerprint(&mine)], Instant::now());
        assert!(matches!(shake(&mut ours, &mut real, place(250), true), Progress::Keyed(..)));
    }
}
