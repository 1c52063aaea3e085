//! The bytes of one process's output: one ring that the reader fills in place, so that output is copied once on its way in and not at all
//! until it is encoded. It grows in steps, because most commands print a page and a few print without end. Which bytes are still wanted is
//! not known here but in [`crate::record`], which keeps them below the ring's size by evicting.

use crate::limits::{CHUNK_BYTES, HELD_BYTES, RING_SLACK, RING_SPLINTER, RING_STEPS};

#[derive(Default)]
pub(crate) struct Ring {
    bytes: Vec<u8>,
    /// Where the next read goes.
    head: usize,
}

impl Ring {
    /// The contiguous room for the next read, never empty. `oldest` is where the oldest wanted bytes begin, `None` if there are none.
    pub(crate) fn space(&mut self, oldest: Option<usize>) -> &mut [u8] {
        let end = match oldest {
            None => {
                self.head = 0;
                self.bytes.len()
            }
            Some(oldest) if oldest >= self.head => oldest,
            Some(_) if self.bytes.len() - self.head >= RING_SPLINTER => self.bytes.len(),
            Some(oldest) => match self.next_step() {
                Some(_) => self.bytes.len(),
                None => {
                    self.head = 0;
                    oldest
                }
            },
        };
        let end = match self.next_step() {
            Some(step) if end - self.head < RING_SPLINTER => {
                self.grow(step);
                step
            }
            _ => end,
        };
        let end = end.min(self.head + CHUNK_BYTES);
        &mut self.bytes[self.head..end]
    }

    /// Keeps the first `len` bytes of the last [`Ring::space`] and says where they are.
    pub(crate) fn commit(&mut self, len: usize) -> usize {
        let start = self.head;
        self.head += len;
        debug_assert!(self.head <= self.bytes.len());
        start
    }

    pub(crate) fn slice(&self, start: usize, len: usize) -> &[u8] {
        &self.bytes[start..start + len]
    }

    /// An empty ring that will hold this much and no more, by [`Ring::append`].
    pub(crate) fn of_size(size: usize) -> Ring {
        Ring {
            bytes: vec![0; size],
            head: 0,
        }
    }

    /// An empty ring with room for all that a process may keep where more is needed than usual.
    pub(crate) fn wide() -> Ring {
        Ring::of_size(HELD_BYTES + RING_SLACK)
    }

    pub(crate) fn append(&mut self, data: &[u8]) -> usize {
        self.bytes[self.head..self.head + data.len()].copy_from_slice(data);
        self.commit(data.len())
    }

    pub(crate) fn size(&self) -> usize {
        self.bytes.len()
    }

    fn next_step(&self) -> Option<usize> {
        RING_STEPS.into_iter().find(|step| *step > self.bytes.len())
    }

    /// Only ever called before the ring has wrapped: what is wanted lies before the head. Fresh zeroed memory costs nothing until it is
    /// written to, which resizing in place would do at once.
    fn grow(&mut self, size: usize) {
        let mut bytes = vec![0; size];
        bytes[..self.head].copy_from_slice(&self.bytes[..self.head]);
        self.bytes = bytes;
    }
}
