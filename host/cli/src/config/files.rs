//! `[files]`: how sandboxed file requests are served.

use std::path::PathBuf;
use std::sync::Arc;

use lockgate_capfs::{Digest, GuestSource, Options, PathBackEnd};

use super::read_bounded;
use crate::failure::Failure;

/// How sandboxed file requests are served.
#[derive(Debug, Default)]
pub(crate) struct Files {
    /// The file guest that takes the place of the built-in one.
    pub(crate) guest: Option<Guest>,
    /// How paths are resolved; as the system allows where nothing is said.
    pub(crate) path_back_end: Option<PathBackEnd>,
}

/// A component by its place and its digest.
#[derive(Debug)]
pub(crate) struct Guest {
    pub(crate) path: PathBuf,
    pub(crate) pin: Digest,
    /// The line of the configuration that pins it.
    pub(crate) pinned_at: String,
}

impl Files {
    /// What the gate is made with. Reads the guest, and refuses one that is not the pinned one.
    pub(crate) fn gate(&self) -> Result<Options, Failure> {
        let guest = match &self.guest {
            None => GuestSource::Stock,
            Some(guest) => GuestSource::Component {
                bytes: guest.read()?,
                pin: Some(guest.pin),
            },
        };
        Ok(Options {
            guest,
            path_back_end: self.path_back_end,
            ..Options::default()
        })
    }

    /// Nothing was chosen.
    pub(crate) fn is_default(&self) -> bool {
        self.guest.is_none() && self.path_back_end.is_none()
    }

    /// Says whose fault it is when the gate cannot be made.
    pub(crate) fn blame(&self, error: impl std::fmt::Display) -> String {
        match &self.guest {
            None => error.to_string(),
            Some(guest) => format!("{} ({}): {error}", guest.path.display(), guest.pinned_at),
        }
    }
}

impl Guest {
    fn read(&self) -> Result<Arc<[u8]>, Failure> {
        let (path, pinned_at) = (self.path.display(), &self.pinned_at);
        let largest = lockgate_engine::limits::MAX_COMPONENT_BYTES as u64;
        let bytes = read_bounded(&self.path, largest).map_err(|reason| {
            Failure::new(format!(
                "the file guest {path} cannot be read: {reason}; put it there, or take `guest` out of {pinned_at} to use the \
                 built-in one"
            ))
        })?;
        let found = Digest::of(&bytes);
        if found != self.pin {
            return Err(Failure::new(format!(
                "the file guest {path} has SHA-256 {found}, but {pinned_at} pins {}; if you changed it on purpose, pin the new \
                 digest, else put the pinned component back",
                self.pin
            )));
        }
        Ok(bytes.into())
    }
}
