//! A policy's component, read once: what is checked is what is compiled, whatever happens to the file meanwhile.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use lockgate_engine::limits::MAX_COMPONENT_BYTES;
use rustix::fs::{Mode, OFlags};

use crate::error::ModuleError;
use crate::limits;
use crate::settings::Trust;
use crate::signature::{SignatureError, verify};

/// Reads the component at `path` and checks its signature, if one is asked for. Its digest is checked by the engine.
pub(crate) fn read(path: &Path, trust: &Trust) -> Result<Vec<u8>, ModuleError> {
    let bytes = bounded(path, MAX_COMPONENT_BYTES).map_err(ModuleError::Read)?;
    if let Some(key) = &trust.signed_by {
        let path = signature_path(path);
        let text = match bounded(&path, limits::SIGNATURE_FILE_BYTES) {
            Ok(text) => String::from_utf8(text).map_err(|_| SignatureError::Text),
            Err(error) => return Err(ModuleError::SignatureFile { path, error }),
        };
        text.and_then(|text| verify(key, &bytes, &text))
            .map_err(|problem| ModuleError::Signature { path, problem })?;
    }
    Ok(bytes)
}

/// Where the signature of the component at `path` is.
pub fn signature_path(path: &Path) -> PathBuf {
    let mut path = path.as_os_str().to_owned();
    path.push(".sig");
    path.into()
}

/// Reads a regular file of at most `most` bytes. A pipe or a device in its place does not hold anybody up: it is not waited for.
fn bounded(path: &Path, most: usize) -> io::Result<Vec<u8>> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    let file = File::from(rustix::fs::open(path, flags, Mode::empty())?);
    let facts = file.metadata()?;
    if !facts.is_file() {
        return Err(io::Error::other("it is no regular file"));
    }
    let mut bytes = Vec::new();
    let limit = most as u64;
    if facts.len() <= limit {
        bytes.reserve_exact(facts.len() as usize);
        file.take(limit + 1).read_to_end(&mut bytes)?;
    }
    // The file may have grown since it was looked at.
    if facts.len() > limit || bytes.len() > most {
        return Err(io::Error::other(format!(
            "it has more than {most} bytes, which is the most that is accepted"
        )));
    }
    Ok(bytes)
}
