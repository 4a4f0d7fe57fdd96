//! `ringback_core`: the Python face of the engine, of the client and of the SIP reader. Conversion, errors, nothing else.

mod callers;
mod convert;
mod engine;
mod error;
mod sip;
mod sounds;

use pyo3::prelude::*;

include!(concat!(env!("OUT_DIR"), "/built_from.rs"));

/// The compiled core of Ringback. Use it through `ringback.core`.
#[pymodule]
fn ringback_core(module: &Bound<'_, PyModule>) -> PyResult<()> {
    // `ringback.core` looks at these before anything else, so that an old core is found out at once.
    module.add("VERSION", env!("CARGO_PKG_VERSION"))?;
    module.add("BUILT_FROM", BUILT_FROM)?;
    module.add_class::<callers::Callers>()?;
    module.add_class::<engine::Engine>()?;
    module.add_function(wrap_pyfunction!(sounds::decode_mp3, module)?)?;
    module.add_class::<sip::SipReader>()
}
