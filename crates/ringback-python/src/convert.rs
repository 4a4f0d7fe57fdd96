//! Values between Python's shapes (`src/ringback/core.py`) and the engine's.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};
use ringback_engine::{
    Codec, DtlsTerms, Event, Fingerprint, IceCredentials, MasterKey, Network, PhoneCodec, PhoneCrypto, PhoneMedia,
    Polishing, SdesKeys, Suite, VideoCodec, VideoMedia,
};

use crate::error;

/// An IP address as text.
pub fn address(text: &str) -> PyResult<IpAddr> {
    text.parse().map_err(|_| error::argument(format!("not an IP address: {text:?}")))
}

/// `ringback.core.Engine.set_phone`'s dict.
pub fn phone_media(media: &Bound<'_, PyDict>) -> PyResult<PhoneMedia> {
    let receive: Vec<Bound<'_, PyDict>> = optional(media, "receive")?.unwrap_or_default();
    let ice: Option<Bound<'_, PyDict>> = optional(media, "ice")?;
    Ok(PhoneMedia {
        remote: remote(media)?,
        codec: phone_codec(&required(media, "codec")?)?,
        receive: receive.iter().map(phone_codec).collect::<PyResult<_>>()?,
        dtmf_payload_type: optional(media, "dtmf_payload_type")?,
        dtmf_receive_payload_type: optional(media, "dtmf_receive_payload_type")?,
        dtmf_clock_rate: optional(media, "dtmf_clock_rate")?,
        dtmf_tones: optional(media, "dtmf_tones")?.unwrap_or(false),
        dtmf_detect: optional(media, "dtmf_detect")?.unwrap_or(false),
        send: optional(media, "send")?.unwrap_or(true),
        listen: optional(media, "listen")?.unwrap_or(true),
        trusted: optional(media, "trusted")?.unwrap_or(false),
        signalling_host: signalling_host(media)?,
        hold_fire: optional(media, "hold_fire")?.unwrap_or(false),
        networks: networks(media)?,
        rtcp_port: optional(media, "rtcp_port")?,
        crypto: crypto(media)?,
        ice: ice.as_ref().map(phone_ice).transpose()?,
        polish: Polishing {
            echo: optional(media, "guard_echo")?.unwrap_or(false),
            noise: optional(media, "suppress_noise")?.unwrap_or(false),
            gain: optional(media, "level_gain")?.unwrap_or(false),
        },
    })
}

/// `ringback.core.Engine.set_phone_video`'s dict.
pub fn video_media(media: &Bound<'_, PyDict>) -> PyResult<VideoMedia> {
    let name: String = required(media, "codec")?;
    let payload_type: u8 = required(media, "payload_type")?;
    Ok(VideoMedia {
        remote: remote(media)?,
        codec: VideoCodec::from_name(&name).ok_or_else(|| error::argument(format!("unknown video codec {name:?}")))?,
        mode: optional(media, "mode")?.unwrap_or(0),
        payload_type,
        receive_payload_type: optional(media, "receive_payload_type")?.unwrap_or(payload_type),
        send: optional(media, "send")?.unwrap_or(true),
        listen: optional(media, "listen")?.unwrap_or(true),
        trusted: optional(media, "trusted")?.unwrap_or(false),
        signalling_host: signalling_host(media)?,
        hold_fire: optional(media, "hold_fire")?.unwrap_or(false),
        networks: networks(media)?,
        rtcp_port: optional(media, "rtcp_port")?,
        crypto: crypto(media)?,
        pli: optional(media, "pli")?.unwrap_or(false),
        fir: optional(media, "fir")?.unwrap_or(false),
        nack: optional(media, "nack")?.unwrap_or(false),
        bitrate_bps: optional(media, "bitrate_bps")?.unwrap_or(900_000),
        width: optional(media, "width")?.unwrap_or(1280),
        height: optional(media, "height")?.unwrap_or(720),
        fps: optional(media, "fps")?.unwrap_or(15),
    })
}

/// Where a stream goes, of sound or of pictures.
fn remote(media: &Bound<'_, PyDict>) -> PyResult<Option<SocketAddr>> {
    let remote: Option<(String, u16)> = optional(media, "remote")?;
    remote.map(|(ip, port)| address(&ip).map(|ip| SocketAddr::new(ip, port))).transpose()
}

fn signalling_host(media: &Bound<'_, PyDict>) -> PyResult<Option<IpAddr>> {
    let host: Option<String> = optional(media, "signalling_host")?;
    Ok(host.and_then(|host| host.parse().ok()))
}

fn networks(media: &Bound<'_, PyDict>) -> PyResult<Vec<Network>> {
    let networks: Vec<String> = optional(media, "networks")?.unwrap_or_default();
    networks.iter().map(|text| network(text)).collect()
}

fn crypto(media: &Bound<'_, PyDict>) -> PyResult<Option<PhoneCrypto>> {
    let crypto: Option<Bound<'_, PyDict>> = optional(media, "crypto")?;
    crypto.as_ref().map(phone_crypto).transpose()
}

/// A network in CIDR form; an address alone is a network of one.
fn network(text: &str) -> PyResult<Network> {
    let (host, prefix) = text.split_once('/').map_or((text, None), |(host, prefix)| (host, Some(prefix)));
    let whole = Network::host(address(host)?);
    let prefix = prefix.map_or(Ok(whole.prefix), str::parse).ok().filter(|prefix| *prefix <= whole.prefix);
    let prefix = prefix.ok_or_else(|| error::argument(format!("not a network: {text:?}")))?;
    Ok(Network { prefix, ..whole })
}

/// Keys, or the fingerprints of who has to agree on some.
fn phone_crypto(crypto: &Bound<'_, PyDict>) -> PyResult<PhoneCrypto> {
    if let Some(fingerprints) = optional::<Vec<(String, Vec<u8>)>>(crypto, "fingerprints")? {
        let read = |(hash, octets): &(String, Vec<u8>)| Fingerprint::new(hash, octets);
        let fingerprints: Vec<Fingerprint> = fingerprints.iter().filter_map(read).collect();
        if fingerprints.is_empty() {
            return Err(error::argument("fingerprints names no certificate"));
        }
        return Ok(PhoneCrypto::Dtls(DtlsTerms { fingerprints, is_active: required(crypto, "active")? }));
    }
    let name: String = required(crypto, "suite")?;
    let suite = Suite::from_name(&name).ok_or_else(|| error::argument(format!("unknown SRTP suite {name:?}")))?;
    let key = |field| {
        let bytes: Vec<u8> = required(crypto, field)?;
        MasterKey::new(suite, &bytes).ok_or_else(|| error::argument(format!("{field} has not the length of {name}")))
    };
    Ok(PhoneCrypto::Sdes(SdesKeys {
        send: key("send_key")?,
        receive: key("receive_key")?,
        receive_mki: optional(crypto, "receive_mki")?.unwrap_or_default(),
    }))
}

fn phone_ice(ice: &Bound<'_, PyDict>) -> PyResult<IceCredentials> {
    Ok(IceCredentials {
        ufrag: required(ice, "ufrag")?,
        password: required(ice, "password")?,
        remote_ufrag: required(ice, "remote_ufrag")?,
    })
}

fn phone_codec(codec: &Bound<'_, PyDict>) -> PyResult<PhoneCodec> {
    let name: String = required(codec, "name")?;
    let payload_type: u8 = required(codec, "payload_type")?;
    let ptime_ms: u64 = optional(codec, "ptime_ms")?.unwrap_or(20);
    Ok(PhoneCodec {
        codec: Codec::from_name(&name).ok_or_else(|| error::argument(format!("unknown codec {name:?}")))?,
        payload_type,
        receive_payload_type: optional(codec, "receive_payload_type")?.unwrap_or(payload_type),
        ptime: Duration::from_millis(ptime_ms.clamp(10, 120)),
    })
}

fn optional<'py, T: FromPyObjectOwned<'py>>(dict: &Bound<'py, PyDict>, key: &str) -> PyResult<Option<T>> {
    match dict.get_item(key)? {
        Some(value) if !value.is_none() => Ok(Some(value.extract::<T>().map_err(Into::into)?)),
        _ => Ok(None),
    }
}

fn required<'py, T: FromPyObjectOwned<'py>>(dict: &Bound<'py, PyDict>, key: &str) -> PyResult<T> {
    optional(dict, key)?.ok_or_else(|| error::argument(format!("{key} is missing")))
}

/// An event as `(kind, fields)`.
pub fn event<'py>(py: Python<'py>, event: Event) -> PyResult<Bound<'py, PyTuple>> {
    let fields = PyDict::new(py);
    let kind = match event {
        Event::Reply { request, result } => {
            let (sdp, error) = match result {
                Ok(sdp) => (Some(sdp), None),
                Err(sentence) => (None, Some(sentence)),
            };
            fields.set_item("request", request)?;
            fields.set_item("error", error)?;
            fields.set_item("sdp", sdp)?;
            "reply"
        }
        Event::WebrtcState { leg, state } => {
            fields.set_item("leg", leg)?;
            fields.set_item("state", state)?;
            "webrtc-state"
        }
        Event::MediaStarted { leg, track } => {
            fields.set_item("leg", leg)?;
            fields.set_item("track", track)?;
            "media-started"
        }
        Event::Digit { leg, digit, duration_ms, volume, in_band } => {
            fields.set_item("in_band", in_band)?;
            fields.set_item("leg", leg)?;
            fields.set_item("digit", digit)?;
            fields.set_item("duration_ms", duration_ms)?;
            fields.set_item("volume", volume)?;
            "digit"
        }
        Event::PictureWanted { leg } => {
            fields.set_item("leg", leg)?;
            "picture-wanted"
        }
        Event::PicturesShown { leg, layout, of, way } => {
            fields.set_item("way", way)?;
            fields.set_item("leg", leg)?;
            fields.set_item("layout", layout)?;
            fields.set_item("of", of)?;
            "pictures-shown"
        }
        Event::EncodingAsked { leg, track, layers } => {
            fields.set_item("leg", leg)?;
            fields.set_item("track", track)?;
            fields.set_item("layers", layers)?;
            "encoding-asked"
        }
        Event::Played { leg, sound } => {
            fields.set_item("leg", leg)?;
            fields.set_item("sound", sound)?;
            "played"
        }
        Event::ActiveSpeaker { room, leg } => {
            fields.set_item("room", room)?;
            fields.set_item("leg", leg)?;
            "active-speaker"
        }
        Event::LegSilent { leg } => {
            fields.set_item("leg", leg)?;
            "leg-silent"
        }
        Event::LegUnprotected { leg, reason } => {
            fields.set_item("leg", leg)?;
            fields.set_item("reason", reason)?;
            "leg-unprotected"
        }
        Event::LegFailed { leg, reason } => {
            fields.set_item("leg", leg)?;
            fields.set_item("reason", reason)?;
            "leg-failed"
        }
    };
    (kind, fields).into_pyobject(py)
}
