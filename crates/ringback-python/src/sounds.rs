//! Sound files, as `src/ringback/core.py` describes it.

use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::error;

/// See `ringback.core.decode_mp3`.
#[pyfunction]
pub fn decode_mp3<'py>(
    py: Python<'py>,
    data: Vec<u8>,
    sample_rate: u32,
    most_seconds: u32,
) -> PyResult<Bound<'py, PyBytes>> {
    if !matches!(sample_rate, 8_000 | 16_000) {
        return Err(error::argument(format!("sample_rate {sample_rate} is none of 8000, 16000")));
    }
    let decoded = py.detach(|| ringback_engine::decode_mp3(data, sample_rate, most_seconds));
    let samples = decoded.map_err(|why| error::argument(why.to_string()))?;
    let bytes: Vec<u8> = samples.into_iter().flat_map(i16::to_le_bytes).collect();
    Ok(PyBytes::new(py, &bytes))
}
