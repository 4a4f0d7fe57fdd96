//! The `Callers` class, method for method as `src/ringback/core.py` describes it.

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyTuple};
use ringback_client as client;

use crate::error;

/// The media of bots' calls; see `ringback.core.Callers`.
#[pyclass(frozen, module = "ringback_core")]
pub struct Callers {
    inner: client::Callers,
}

impl Callers {
    /// Run a call into the client without the GIL: the one place that releases it.
    fn off<T: Send>(&self, py: Python<'_>, call: impl FnOnce(&client::Callers) -> T + Send) -> T {
        py.detach(|| call(&self.inner))
    }
}

#[pymethods]
impl Callers {
    #[new]
    fn new(py: Python<'_>) -> PyResult<Callers> {
        let inner = py.detach(client::Callers::start).map_err(error::system)?;
        Ok(Callers { inner })
    }

    fn event_fd(&self) -> i32 {
        self.inner.event_fd()
    }

    fn drain<'py>(&self, py: Python<'py>) -> PyResult<Vec<Bound<'py, PyTuple>>> {
        let events = self.off(py, client::Callers::drain);
        events.into_iter().map(|event| spell(py, event)).collect()
    }

    fn close(&self, py: Python<'_>) {
        self.off(py, client::Callers::close);
    }

    fn open(&self, py: Python<'_>, sample_rate: u32) -> PyResult<u64> {
        if !matches!(sample_rate, 8_000 | 16_000 | 24_000 | 48_000) {
            return Err(error::argument(format!("sample_rate {sample_rate} is none of 8000, 16000, 24000, 48000")));
        }
        Ok(self.off(py, |c| c.open(sample_rate)))
    }

    fn offer(&self, py: Python<'_>, call: u64, send: bool, receive: usize, stop: Vec<String>, restart: bool) -> u64 {
        self.off(py, |c| c.offer(call, send, receive, &stop, restart))
    }

    fn answer(&self, py: Python<'_>, call: u64, sdp: &str) -> u64 {
        self.off(py, |c| c.answer(call, sdp))
    }

    fn speak(&self, py: Python<'_>, call: u64, follows: Vec<String>, otherwise: &str) -> PyResult<()> {
        let codec = client::Codec::from_name(otherwise)
            .ok_or_else(|| error::argument(format!("unknown codec {otherwise:?}: PCMU, PCMA, G722 or OPUS")))?;
        self.off(py, |c| c.speak(call, &follows, codec));
        Ok(())
    }

    #[pyo3(signature = (call, data, mark=None))]
    fn push(&self, py: Python<'_>, call: u64, data: &[u8], mark: Option<u64>) -> PyResult<bool> {
        if !data.len().is_multiple_of(2) {
            return Err(error::argument("an odd number of bytes is no s16le sound"));
        }
        let samples = data.chunks_exact(2).map(|b| i16::from_le_bytes([b[0], b[1]]));
        Ok(self.off(py, |c| c.push(call, samples, mark)))
    }

    fn waiting(&self, py: Python<'_>, call: u64) -> usize {
        self.off(py, |c| c.waiting(call))
    }

    fn flush(&self, py: Python<'_>, call: u64) -> (u64, u64, Vec<(u64, u64)>) {
        let flushed = self.off(py, |c| c.flush(call));
        (flushed.said, flushed.dropped, flushed.cut.iter().map(|cut| (cut.mark, cut.said)).collect())
    }

    fn listen(&self, py: Python<'_>, call: u64, ear: u64, mid: Option<String>, samples: usize) {
        self.off(py, |c| c.listen(call, ear, mid, samples));
    }

    fn rest(&self, py: Python<'_>, call: u64, ear: u64) {
        self.off(py, |c| c.rest(call, ear));
    }

    fn read<'py>(&self, py: Python<'py>, call: u64, ear: u64) -> Bound<'py, PyBytes> {
        let bytes: Vec<u8> = self.off(py, |c| c.read(call, ear).into_iter().flat_map(i16::to_le_bytes).collect());
        PyBytes::new(py, &bytes)
    }

    fn stats<'py>(&self, py: Python<'py>, call: u64) -> PyResult<Bound<'py, PyDict>> {
        let stats = PyDict::new(py);
        for (name, value) in self.inner.counters(call) {
            stats.set_item(name, value)?;
        }
        Ok(stats)
    }

    fn hang_up(&self, py: Python<'_>, call: u64) {
        self.off(py, |c| c.hang_up(call));
    }
}

/// An event as `(kind, fields)`.
fn spell<'py>(py: Python<'py>, event: client::Event) -> PyResult<Bound<'py, PyTuple>> {
    use client::Event;
    let fields = PyDict::new(py);
    let kind = match event {
        Event::Offer { call, request, sdp, sending, receiving } => {
            fields.set_item("call", call)?;
            fields.set_item("request", request)?;
            fields.set_item("sdp", sdp)?;
            fields.set_item("sending", sending)?;
            fields.set_item("receiving", receiving)?;
            "offer"
        }
        Event::Answered { call, request, error } => {
            fields.set_item("call", call)?;
            fields.set_item("request", request)?;
            fields.set_item("error", error)?;
            "answered"
        }
        Event::State { call, state } => {
            fields.set_item("call", call)?;
            fields.set_item("state", state)?;
            "state"
        }
        Event::Mark { call, mark } => {
            fields.set_item("call", call)?;
            fields.set_item("mark", mark)?;
            "mark"
        }
        Event::Heard { call, ear } => {
            fields.set_item("call", call)?;
            fields.set_item("ear", ear)?;
            "heard"
        }
    };
    (kind, fields).into_pyobject(py)
}
