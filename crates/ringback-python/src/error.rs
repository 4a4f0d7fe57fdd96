//! The one file that knows Python's exceptions.

use std::io;

use pyo3::PyErr;
use pyo3::exceptions::{PyOSError, PyValueError};

/// A system call failed: `OSError` with the errno, when there is one, and our sentence.
pub fn system(error: io::Error) -> PyErr {
    let errno = error.raw_os_error().or(match error.kind() {
        io::ErrorKind::AddrInUse => Some(98),
        io::ErrorKind::AddrNotAvailable => Some(99),
        io::ErrorKind::PermissionDenied => Some(13),
        _ => None,
    });
    match errno {
        Some(number) => PyOSError::new_err((number, error.to_string())),
        None => PyOSError::new_err(error.to_string()),
    }
}

/// An argument that makes no sense.
pub fn argument(sentence: impl Into<String>) -> PyErr {
    PyValueError::new_err(sentence.into())
}
