//! `ringback_core`: the Python face of the engine, of the client and of the SIP reader. Conversion, errors, nothing else.

mod callers;
mod convert;
mod engine;
mod error;
mod sip;
mod sounds;

use pyo3::prelude::*;

/// The compiled core of Ringback. Use it through `ringback.core`.
#[pymodule]
fn ringback_core(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<callers::Callers>()?;
    module.add_class::<engine::Engine>()?;
    module.add_function(wrap_pyfunction!(sounds::decode_mp3, module)?)?;
    module.add_class::<sip::SipReader>()
}
