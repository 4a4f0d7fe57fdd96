//! The codec libraries, wrapped, and what the process gives up: all unsafe code of the crate.
#![allow(unsafe_code)]

pub mod avc;
pub mod vpx;
