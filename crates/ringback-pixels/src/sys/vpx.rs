//! The system's libvpx, loaded when it is there.
//!
//! Its structures are written down as far as this file uses them; that part has not changed from 1.8 to 1.15. The
//! number by which the library knows its interface has: each is tried until the library takes one.

use std::ffi::{CStr, c_char, c_int, c_long, c_uint, c_ulong, c_void};
use std::mem::MaybeUninit;
use std::ptr::{null, null_mut};
use std::sync::LazyLock;

use libloading::Library;

use super::avc::copy;
use crate::coder::Quality;
use crate::picture::Picture;

const NAMES: [&str; 9] = [
    "libvpx.so.7",
    "libvpx.so.9",
    "libvpx.so.8",
    "libvpx.so.11",
    "libvpx.so.12",
    "libvpx.so.10",
    "libvpx.so.6",
    "libvpx.so",
    "libvpx.dylib",
];
const INTERFACES: std::ops::Range<c_int> = 10..64;
const MISMATCH: c_int = 3;
const I420: c_int = 0x102;
const FORCE_KEY: c_long = 1;
const REALTIME: c_ulong = 1;
const FRAME_PACKET: c_int = 0;
const IS_KEY: u32 = 1;
const CONSTANT_BITRATE: c_int = 1;
const NO_AUTOMATIC_KEYS: c_int = 0;
const SET_CPU_USED: c_int = 13;
const SET_STATIC_THRESHOLD: c_int = 17;
const SET_MAX_INTRA_PERCENT: c_int = 26;

#[repr(C)]
struct Context {
    name: *const c_char,
    interface: *const c_void,
    error: c_int,
    detail: *const c_char,
    flags: c_long,
    config: *const c_void,
    private: *mut c_void,
    spare: [usize; 8],
}

#[repr(C)]
#[derive(Clone, Copy)]
struct Buffer {
    at: *mut c_void,
    length: usize,
}

#[repr(C)]
#[derive(Clone, Copy)]
struct Config {
    usage: c_uint,
    threads: c_uint,
    profile: c_uint,
    width: c_uint,
    height: c_uint,
    bit_depth: c_int,
    input_bit_depth: c_uint,
    time_base: [c_int; 2],
    error_resilient: c_uint,
    pass: c_int,
    lag_in_frames: c_uint,
    drop_frame_threshold: c_uint,
    resize_allowed: c_uint,
    scaled: [c_uint; 2],
    resize_thresholds: [c_uint; 2],
    end_usage: c_int,
    two_pass: Buffer,
    first_pass: Buffer,
    target_kbps: c_uint,
    min_quantizer: c_uint,
    max_quantizer: c_uint,
    undershoot_percent: c_uint,
    overshoot_percent: c_uint,
    buffer_ms: c_uint,
    buffer_initial_ms: c_uint,
    buffer_optimal_ms: c_uint,
    two_pass_vbr: [c_uint; 4],
    key_mode: c_int,
    key_min_distance: c_uint,
    key_max_distance: c_uint,
    /// Layers and more, as the library's defaults have it; newer libraries have more than older ones.
    rest: [u64; 256],
}

#[repr(C)]
struct Image {
    format: c_int,
    colours: [c_int; 2],
    width: c_uint,
    height: c_uint,
    bit_depth: c_uint,
    shown_width: c_uint,
    shown_height: c_uint,
    rendered: [c_uint; 2],
    chroma_shift: [c_uint; 2],
    planes: [*const u8; 4],
    strides: [c_int; 4],
    rest: [usize; 16],
}

#[repr(C)]
struct Packet {
    kind: c_int,
    data: *const u8,
    length: usize,
    at: i64,
    duration: c_ulong,
    flags: u32,
}

// As C lays them out (libvpx 1.12, and all from 1.8 on).
#[cfg(target_pointer_width = "64")]
const _: () = {
    use std::mem::offset_of;
    assert!(offset_of!(Config, target_kbps) == 112 && offset_of!(Config, key_max_distance) == 168);
    assert!(offset_of!(Image, planes) == 48 && offset_of!(Image, strides) == 80);
    assert!(offset_of!(Packet, data) == 8 && offset_of!(Packet, flags) == 40);
};

type Init = unsafe extern "C" fn(*mut Context, *const c_void, *const c_void, c_long, c_int) -> c_int;
type Interface = unsafe extern "C" fn() -> *const c_void;

struct Functions {
    encoder: Interface,
    decoder: Interface,
    default_config: unsafe extern "C" fn(*const c_void, *mut Config, c_uint) -> c_int,
    encoder_init: Init,
    decoder_init: Init,
    set_config: unsafe extern "C" fn(*mut Context, *const Config) -> c_int,
    control: unsafe extern "C" fn(*mut Context, c_int, ...) -> c_int,
    encode: unsafe extern "C" fn(*mut Context, *const Image, i64, c_ulong, c_long, c_ulong) -> c_int,
    packet: unsafe extern "C" fn(*mut Context, *mut *const c_void) -> *const Packet,
    decode: unsafe extern "C" fn(*mut Context, *const u8, c_uint, *mut c_void, c_long) -> c_int,
    frame: unsafe extern "C" fn(*mut Context, *mut *const c_void) -> *const Image,
    destroy: unsafe extern "C" fn(*mut Context) -> c_int,
    version: unsafe extern "C" fn() -> *const c_char,
    _library: Library,
}

static LIBRARY: LazyLock<Option<Functions>> = LazyLock::new(|| NAMES.iter().find_map(|name| load(name)));

fn load(name: &str) -> Option<Functions> {
    // SAFETY: libvpx has no initialisers of its own; the types are those of its headers, and the library stays loaded
    // as long as its functions are.
    unsafe {
        let library = Library::new(name).ok()?;
        macro_rules! function {
            ($name:literal) => {
                *library.get($name).ok()?
            };
        }
        Some(Functions {
            encoder: function!(b"vpx_codec_vp8_cx\0"),
            decoder: function!(b"vpx_codec_vp8_dx\0"),
            default_config: function!(b"vpx_codec_enc_config_default\0"),
            encoder_init: function!(b"vpx_codec_enc_init_ver\0"),
            decoder_init: function!(b"vpx_codec_dec_init_ver\0"),
            set_config: function!(b"vpx_codec_enc_config_set\0"),
            control: function!(b"vpx_codec_control_\0"),
            encode: function!(b"vpx_codec_encode\0"),
            packet: function!(b"vpx_codec_get_cx_data\0"),
            decode: function!(b"vpx_codec_decode\0"),
            frame: function!(b"vpx_codec_get_frame\0"),
            destroy: function!(b"vpx_codec_destroy\0"),
            version: function!(b"vpx_codec_version_str\0"),
            _library: library,
        })
    }
}

/// Whether libvpx is here.
pub fn is_here() -> bool {
    LIBRARY.is_some()
}

/// The version that libvpx says it is; empty where there is none.
pub fn version() -> String {
    let Some(functions) = LIBRARY.as_ref() else { return String::new() };
    // SAFETY: it takes nothing and gives a string that ends with a zero and lasts as long as the library.
    let text = unsafe { CStr::from_ptr((functions.version)()) };
    text.to_string_lossy().trim_start_matches('v').chars().take(40).collect()
}

/// An opened codec.
struct Codec {
    context: Box<Context>,
    functions: &'static Functions,
}

// SAFETY: a codec is plain memory without thread affinity (it is told to use one thread); `&mut self` keeps its calls
// apart.
unsafe impl Send for Codec {}

impl Codec {
    fn open(functions: &'static Functions, init: Init, interface: Interface, config: *const c_void) -> Option<Codec> {
        for number in INTERFACES {
            // SAFETY: an all-zero context is what the library's own examples start from.
            let mut context: Box<Context> = unsafe { Box::new(MaybeUninit::zeroed().assume_init()) };
            // SAFETY: `context` lives as long as the codec, at one address; a wrong number is refused untouched.
            match unsafe { init(&raw mut *context, interface(), config, 0, number) } {
                0 => return Some(Codec { context, functions }),
                MISMATCH => {}
                _ => return None,
            }
        }
        None
    }
}

impl Drop for Codec {
    fn drop(&mut self) {
        // SAFETY: the context was opened and is closed once.
        unsafe { (self.functions.destroy)(&raw mut *self.context) };
    }
}

/// A VP8 encoder of one size.
pub struct Encoder {
    codec: Codec,
    // The library keeps a pointer to it.
    config: Box<Config>,
}

// SAFETY: as for `Codec`; the pointers in `config` are null.
unsafe impl Send for Encoder {}

impl Encoder {
    /// `None`: libvpx is not here or refuses.
    pub fn new(quality: &Quality) -> Option<Encoder> {
        let functions = LIBRARY.as_ref()?;
        // SAFETY: an all-zero value is one of plain numbers and null pointers; the library fills in its defaults, for
        // which `rest` has more than enough room.
        let mut config: Box<Config> = unsafe { Box::new(MaybeUninit::zeroed().assume_init()) };
        // SAFETY: `config` lives through the call.
        if unsafe { (functions.default_config)((functions.encoder)(), &raw mut *config, 0) } != 0 {
            return None;
        }
        describe(&mut config, quality);
        let config_at = (&raw const *config).cast();
        let codec = Codec::open(functions, functions.encoder_init, functions.encoder, config_at)?;
        let mut encoder = Encoder { codec, config };
        // Quantizers of key frames are kept from spending more than some frames' worth of bits.
        let key_percent = (300 * quality.rate / 10).max(300) as c_int;
        for (what, value) in [(SET_CPU_USED, -8), (SET_STATIC_THRESHOLD, 1), (SET_MAX_INTRA_PERCENT, key_percent)] {
            // SAFETY: these three take one int.
            unsafe { (functions.control)(&raw mut *encoder.codec.context, what, value) };
        }
        Some(encoder)
    }

    /// Change the bitrate, from the next picture on.
    pub fn set_bitrate(&mut self, bitrate_bps: u32) {
        self.config.target_kbps = (bitrate_bps / 1000).max(1);
        let set = self.codec.functions.set_config;
        // SAFETY: both live through the call.
        unsafe { set(&raw mut *self.codec.context, &raw const *self.config) };
    }

    /// Encode a picture of the encoder's size behind `out`; whether it is a key frame. `None`: nothing came out.
    pub fn encode(&mut self, picture: &Picture, at_us: u64, key: bool, out: &mut Vec<u8>) -> Option<bool> {
        let (width, height) = (picture.width as c_uint, picture.height as c_uint);
        if (width, height) != (self.config.width, self.config.height) {
            return None;
        }
        let image = Image {
            format: I420,
            colours: [0; 2],
            width,
            height,
            bit_depth: 8,
            shown_width: width,
            shown_height: height,
            rendered: [0; 2],
            chroma_shift: [1; 2],
            planes: [picture.y.as_ptr(), picture.u.as_ptr(), picture.v.as_ptr(), null()],
            strides: [width as c_int, width as c_int / 2, width as c_int / 2, 0],
            rest: [0; 16],
        };
        let functions = self.codec.functions;
        let context = &raw mut *self.codec.context;
        let mut iterator: *const c_void = null();
        let mut made = None;
        // SAFETY: the planes are as large as the sides say and are only read; packets point into the encoder, hold
        // until its next call, and are read before that.
        unsafe {
            let flags = if key { FORCE_KEY } else { 0 };
            if (functions.encode)(context, &image, at_us as i64, 66_000, flags, REALTIME) != 0 {
                return None;
            }
            while let Some(packet) = (functions.packet)(context, &raw mut iterator).as_ref() {
                if packet.kind == FRAME_PACKET {
                    out.extend_from_slice(std::slice::from_raw_parts(packet.data, packet.length));
                    made = Some(packet.flags & IS_KEY != 0);
                }
            }
        }
        made
    }
}

fn describe(config: &mut Config, quality: &Quality) {
    config.threads = 1;
    config.width = quality.width as c_uint;
    config.height = quality.height as c_uint;
    config.time_base = [1, 1_000_000];
    config.lag_in_frames = 0;
    // A frame rate that was agreed on is kept: too many bits are met with coarser pictures, not with fewer.
    config.drop_frame_threshold = 0;
    config.resize_allowed = 0;
    config.end_usage = CONSTANT_BITRATE;
    config.target_kbps = (quality.bitrate_bps / 1000).max(1);
    config.min_quantizer = 2;
    config.max_quantizer = 56;
    config.undershoot_percent = 100;
    config.overshoot_percent = 15;
    config.buffer_ms = 1000;
    config.buffer_initial_ms = 500;
    config.buffer_optimal_ms = 600;
    config.key_mode = NO_AUTOMATIC_KEYS;
}

/// A VP8 decoder.
pub struct Decoder(Codec);

impl Decoder {
    /// `None`: libvpx is not here or refuses.
    pub fn new() -> Option<Decoder> {
        let functions = LIBRARY.as_ref()?;
        Codec::open(functions, functions.decoder_init, functions.decoder, null()).map(Decoder)
    }

    /// Decode one frame. `Ok(None)`: it is not to be shown.
    pub fn decode(&mut self, data: &[u8]) -> Result<Option<Picture>, ()> {
        let functions = self.0.functions;
        let context = &raw mut *self.0.context;
        let mut iterator: *const c_void = null();
        // SAFETY: `data` is only read, by its length; the image points into the decoder, holds until its next call and
        // is copied before that.
        unsafe {
            if (functions.decode)(context, data.as_ptr(), data.len() as c_uint, null_mut(), 0) != 0 {
                return Err(());
            }
            let Some(image) = (functions.frame)(context, &raw mut iterator).as_ref() else { return Ok(None) };
            if image.format != I420 || image.shown_width < 2 || image.shown_height < 2 {
                return Err(());
            }
            let mut picture = Picture::new(image.shown_width as usize, image.shown_height as usize, [16, 128, 128]);
            let [y, u, v, _] = image.planes;
            let [y_stride, u_stride, v_stride, _] = image.strides;
            copy(&mut picture, [y, u, v], [y_stride, u_stride, v_stride]);
            Ok(Some(picture))
        }
    }
}
