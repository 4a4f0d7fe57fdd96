//! Puts a number into the core that says from which sources it was built; `ringback.core.digest` computes the same one.

use std::{env, fs, io, path::Path};

fn main() -> io::Result<()> {
    println!("cargo:rerun-if-changed=src");
    println!("cargo:rerun-if-changed=build.rs");
    let mut files =
        fs::read_dir("src")?.map(|entry| entry.map(|entry| entry.path())).collect::<io::Result<Vec<_>>>()?;
    files.retain(|file| file.extension().is_some_and(|kind| kind == "rs"));
    files.sort();
    let mut state = !0;
    for file in files {
        state = crc32(state, file.file_name().unwrap_or_default().as_encoded_bytes());
        state = crc32(state, &fs::read(file)?);
    }
    let text = format!("const BUILT_FROM: u32 = {:#x};\n", !state);
    fs::write(Path::new(&env::var("OUT_DIR").map_err(io::Error::other)?).join("built_from.rs"), text)
}

/// CRC-32 as zlib has it, without the two inversions around the whole.
fn crc32(state: u32, bytes: &[u8]) -> u32 {
    bytes.iter().fold(state, |state, byte| {
        (0..8).fold(state ^ u32::from(*byte), |state, _| (state >> 1) ^ (0xedb8_8320 & (state & 1).wrapping_neg()))
    })
}
