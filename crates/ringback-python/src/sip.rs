//! The `SipReader` class, as `src/ringback/core.py` describes it.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList, PyString, PyTuple};
use ringback_sip::{Address, Parameter, Row, Rules, Start, Via, read};

use crate::error;

/// Header names remembered; strangers may invent any number of them.
const MOST_NAMES: usize = 512;

/// Reads plain SIP messages; see `ringback.core.SipReader`.
#[pyclass(frozen, module = "ringback_core")]
pub struct SipReader {
    rules: Rules,
    names: Mutex<HashMap<String, Name>>,
}

/// A header name as written, and the key it is found by.
type Name = (Py<PyString>, Py<PyString>);

#[pymethods]
impl SipReader {
    #[new]
    fn new(limits: HashMap<String, usize>, single: Vec<String>, compact: HashMap<char, String>) -> PyResult<SipReader> {
        let limit = |name: &str| limits.get(name).copied().ok_or_else(|| error::argument(format!("{name} is missing")));
        if single.len() > 64 {
            return Err(error::argument("more than 64 headers that may stand only once"));
        }
        let short = |(letter, long): (char, String)| u8::try_from(letter).ok().map(|letter| (letter, long));
        let rules = Rules {
            head: limit("head")?,
            lines: limit("header_lines")?,
            vias: limit("vias")?,
            uri: limit("uri")?,
            call_id: limit("call_id")?,
            parameters: limit("parameters")?,
            body: limit("body")?,
            single,
            compact: compact.into_iter().filter_map(short).collect(),
        };
        Ok(SipReader { rules, names: Mutex::default() })
    }

    fn read<'py>(&self, py: Python<'py>, data: &[u8]) -> PyResult<Option<Bound<'py, PyTuple>>> {
        let Some(message) = read(data, &self.rules) else { return Ok(None) };
        let (first, second) = match message.start {
            Start::Request(method, target) => (PyString::new(py, method).into_any(), PyString::new(py, target)),
            Start::Response(status, reason) => (status.into_pyobject(py)?.into_any(), PyString::new(py, reason)),
        };
        let (rows, index) = self.rows(py, &message.rows)?;
        let contact = message.contact.map(|contact| address(py, &contact)).transpose()?;
        let body = PyBytes::new(py, message.body);
        let (via, from, to) = (via(py, &message.via)?, address(py, &message.from)?, address(py, &message.to)?);
        (first, second, rows, index, body, via, from, to, contact).into_pyobject(py).map(Some)
    }
}

impl SipReader {
    /// Rows in order, and their values by key.
    fn rows<'py>(&self, py: Python<'py>, rows: &[Row<'_>]) -> PyResult<(Bound<'py, PyList>, Bound<'py, PyDict>)> {
        let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        let (list, index) = (PyList::empty(py), PyDict::new(py));
        for row in rows {
            let (name, key) = match names.get(row.name) {
                Some((name, key)) => (name.bind(py).clone(), key.bind(py).clone()),
                None => {
                    let name = PyString::new(py, row.name);
                    let key = PyString::new(py, &self.rules.long(row.name).to_ascii_lowercase());
                    if names.len() < MOST_NAMES {
                        names.insert(row.name.to_owned(), (name.clone().unbind(), key.clone().unbind()));
                    }
                    (name, key)
                }
            };
            let value = PyString::new(py, row.value);
            match index.get_item(&key)? {
                Some(values) => values.cast_into::<PyList>()?.append(&value)?,
                None => index.set_item(&key, PyList::new(py, [&value])?)?,
            }
            list.append((name, value))?;
        }
        Ok((list, index))
    }
}

/// Transport in upper case, host, port, parameters.
fn via<'py>(py: Python<'py>, via: &Via<'_>) -> PyResult<Bound<'py, PyTuple>> {
    let parameters = parameters(py, &via.parameters)?;
    (via.transport.to_ascii_uppercase(), via.host, via.port, parameters).into_pyobject(py)
}

/// URI, name, parameters.
fn address<'py>(py: Python<'py>, address: &Address<'_>) -> PyResult<Bound<'py, PyTuple>> {
    (address.uri, address.name, parameters(py, &address.parameters)?).into_pyobject(py)
}

fn parameters<'py>(py: Python<'py>, parameters: &[Parameter<'_>]) -> PyResult<Bound<'py, PyDict>> {
    let found = PyDict::new(py);
    for parameter in parameters {
        found.set_item(parameter.name.to_ascii_lowercase(), parameter.value)?;
    }
    Ok(found)
}
