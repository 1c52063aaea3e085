//! A file that is written in blocks.

use std::fmt;

use lockgate_wire::limits::BLOCK_BYTES;

use super::Answer;
use crate::ClientError;

/// Takes the contents of a file, from its beginning on. Dropped, it leaves what was written.
pub struct FileWriter(Box<dyn WriteBlocks>);

/// What is behind a [`FileWriter`].
pub trait WriteBlocks: Send {
    /// The next bytes; at most [`BLOCK_BYTES`], and not none.
    fn write<'a>(&'a mut self, block: &'a [u8]) -> Answer<'a, ()>;

    /// There are no more.
    fn finish(self: Box<Self>) -> Answer<'static, ()>;
}

impl FileWriter {
    /// Of what takes blocks.
    pub fn new(blocks: impl WriteBlocks + 'static) -> FileWriter {
        FileWriter(Box::new(blocks))
    }

    /// Adds bytes, however many. After an error the file is given up: it has what came before, and may have a part of these.
    pub async fn write(&mut self, bytes: &[u8]) -> Result<(), ClientError> {
        for block in bytes.chunks(BLOCK_BYTES as usize) {
            self.0.write(block).await?;
        }
        Ok(())
    }

    /// Closes the file.
    pub async fn finish(self) -> Result<(), ClientError> {
        self.0.finish().await
    }
}

impl fmt::Debug for FileWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FileWriter")
    }
}
