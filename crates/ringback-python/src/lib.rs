//! `ringback_core`: the Python face of the engine. Conversion, errors, nothing else.

mod convert;
mod engine;
mod error;

use pyo3::prelude::*;

/// The compiled core of Ringback. Use it through `ringback.core`.
#[pymodule]
fn ringback_core(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<engine::Engine>()
}
