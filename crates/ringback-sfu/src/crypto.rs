//! What str0m encrypts with: its own, but DTLS by one configuration for all peers.
//!
//! A configuration proves the whole crypto library when it is made (six key exchanges among it), and str0m makes one for
//! each peer: that was a third of what a join costs.

use std::cell::RefCell;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Instant;

use dimpl::{Config, Dtls};
use ringback_rtp::{MasterKey, SessionKeys};
use str0m::crypto::dtls::{
    DtlsCert, DtlsImplError, DtlsInstance, DtlsOutput, DtlsProvider, DtlsVersion, ProtocolVersion,
};
use str0m::crypto::{CryptoError, CryptoProvider};

/// The crypto of all peers.
pub fn provider() -> Arc<CryptoProvider> {
    static PROVIDER: OnceLock<Arc<CryptoProvider>> = OnceLock::new();
    let made = || Arc::new(CryptoProvider { dtls_provider: &Provider, ..str0m::crypto::from_feature_flags() });
    PROVIDER.get_or_init(made).clone()
}

/// Where a peer's DTLS leaves the key of what the peer sends.
#[derive(Debug, Clone, Default)]
pub struct Keys(Arc<Mutex<Option<MasterKey>>>);

impl Keys {
    /// The key, once.
    pub fn take(&self) -> Option<MasterKey> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    pub fn leave(&self, key: MasterKey) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(key);
    }
}

thread_local! {
    /// Of the DTLS that was made last on this thread: str0m makes it, and tells nobody which it is.
    static MADE: RefCell<Option<Keys>> = const { RefCell::new(None) };
}

/// Build something with one DTLS in it; where that leaves its key.
pub fn keyed<T>(build: impl FnOnce() -> T) -> (T, Keys) {
    MADE.take();
    let built = build();
    (built, MADE.take().unwrap_or_default())
}

#[derive(Debug)]
struct Provider;

impl DtlsProvider for Provider {
    fn generate_certificate(&self) -> Option<DtlsCert> {
        str0m::crypto::from_feature_flags().dtls_provider.generate_certificate()
    }

    fn new_dtls(
        &self,
        certificate: &DtlsCert,
        now: Instant,
        version: DtlsVersion,
        mtu: Option<usize>,
    ) -> Result<Box<dyn DtlsInstance>, CryptoError> {
        if version != DtlsVersion::Dtls12 {
            return Err(CryptoError::Other(format!("{version} is not spoken here")));
        }
        let dtls = Dtls::new_12(configuration(mtu)?, certificate.clone(), now);
        let keys = Keys::default();
        MADE.set(Some(keys.clone()));
        Ok(Box::new(Instance(dtls, keys)))
    }
}

/// The configuration for datagrams of so many bytes: made once, as all peers have the same.
fn configuration(mtu: Option<usize>) -> Result<Arc<Config>, CryptoError> {
    static FIRST: OnceLock<(Option<usize>, Arc<Config>)> = OnceLock::new();
    if let Some((of, first)) = FIRST.get()
        && *of == mtu
    {
        return Ok(first.clone());
    }
    // ICE has proved that the far end is where it says, so that no cookie has to.
    let mut builder = Config::builder().use_server_cookie(false);
    if let Some(mtu) = mtu {
        builder = builder.mtu(mtu);
    }
    let made = Arc::new(builder.build().map_err(|e| CryptoError::Other(format!("DTLS cannot be had: {e}")))?);
    FIRST.get_or_init(|| (mtu, made.clone()));
    Ok(made)
}

/// One peer's DTLS.
#[derive(Debug)]
struct Instance(Dtls, Keys);

impl DtlsInstance for Instance {
    fn set_active(&mut self, active: bool) {
        self.0.set_active(active);
    }

    fn handle_packet(&mut self, packet: &[u8]) -> Result<(), DtlsImplError> {
        self.0.handle_packet(packet)
    }

    fn poll_output<'a>(&mut self, buffer: &'a mut [u8]) -> DtlsOutput<'a> {
        let output = self.0.poll_output(buffer);
        if let DtlsOutput::KeyingMaterial(material, profile) = &output
            && let Some(keys) = SessionKeys::exported(material, *profile, self.0.is_active())
        {
            self.1.leave(keys.send);
        }
        output
    }

    fn handle_timeout(&mut self, now: Instant) -> Result<(), DtlsImplError> {
        self.0.handle_timeout(now)
    }

    fn send_application_data(&mut self, data: &[u8]) -> Result<(), DtlsImplError> {
        self.0.send_application_data(data)
    }

    fn is_active(&self) -> bool {
        self.0.is_active()
    }

    fn protocol_version(&self) -> Option<ProtocolVersion> {
        self.0.protocol_version()
    }

    fn is_closing(&self) -> bool {
        self.0.is_closing()
    }

    fn is_closed(&self) -> bool {
        self.0.is_closed()
    }

    fn close(&mut self) -> Result<(), DtlsImplError> {
        self.0.close()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_library_is_proved_once_and_not_for_each_peer() {
        let (a, b) = (configuration(Some(1150)).unwrap(), configuration(Some(1150)).unwrap());

        assert!(Arc::ptr_eq(&a, &b));
        assert_eq!(configuration(Some(1000)).unwrap().mtu(), 1000);
    }
}
