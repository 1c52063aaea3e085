//! One file: under its partial's name until it is whole, and going on with what that has.

use lockgate_capfs::is_zeros;
use lockgate_grant::AbsPath;
use lockgate_policy_gate::printable::printable;
use lockgate_wire::limits::BLOCK_BYTES;

use super::end::{Bits, Broken, End, Looked, Looks, Purpose, Version};
use super::names::Partial;
use super::transfer::Transfer;

/// Up to here a file goes in one piece, and begins again if that was cut: it is no more than a block.
pub(super) const SMALL: u64 = 256 * 1024;

/// A small file that is another one by now is read so often, until it is the same twice.
const MOST_READS: u32 = 4;

/// How much of the end of what had arrived is compared: as much as a power failure may leave as zeros, and a moment's transfer.
const TAIL: u64 = 256 * 1024;

impl<S: End, D: End> Transfer<'_, S, D> {
    /// One file, whole or not at all; `beside` are names in its directory.
    pub(super) async fn file(
        &self,
        source: &AbsPath,
        path: &AbsPath,
        version: Version,
        bits: Bits,
        beside: &[String],
    ) -> Result<(), Broken> {
        let partial = Partial::new(path, source, version).map_err(Broken::by)?;
        for name in beside.iter().filter(|name| partial.is_stale(name)) {
            if let Some(stale) = path.parent().and_then(|parent| parent.join(name).ok()) {
                self.to.remove(&stale).await?;
            }
        }
        let done = match version.size <= SMALL {
            true => self.small(source, path, &partial.path, version, bits).await,
            false => self.large(source, path, &partial.path, version, bits).await,
        };
        match done {
            // Of a source that is another one by now nothing can be continued.
            Err(Stopped::Changed) => {
                self.to.remove(&partial.path).await?;
                Err(Broken::source(
                    "it changed while it was read; run the same command again",
                ))
            }
            Err(Stopped::Sooner) => {
                self.to.remove(&partial.path).await?;
                Err(Broken::source(&format!(
                    "it ends before the {} bytes that it says it has",
                    version.size
                )))
            }
            Err(Stopped::Broken(broken)) => Err(broken),
            Ok(()) => Ok(()),
        }
    }

    async fn small(
        &self,
        source: &AbsPath,
        path: &AbsPath,
        partial: &AbsPath,
        version: Version,
        bits: Bits,
    ) -> Result<(), Stopped> {
        let mut looks = bits.with(version.modified_ms);
        let read = async || {
            self.from
                .contents(source)
                .await
                .map_err(Broken::while_reading)
        };
        let (mut bytes, looked) = read().await?;
        if looked != Looked::File(version) || bytes.len() as u64 != version.size {
            // It is another version by now; or its looks say nothing, as those of /proc and /sys: one has other bytes than its size says, and the time at which
            // the system came upon it. What is read between two looks that are the same is whole, if what comes of it is the same, too: those of /proc need not be.
            let Looked::File(now) = looked else {
                return Err(Stopped::Changed);
            };
            if now.size > SMALL {
                return Err(Stopped::Changed);
            }
            let mut reads = 1;
            loop {
                let (again, after) = read().await?;
                reads += 1;
                if after != Looked::File(now) {
                    return Err(Stopped::Changed);
                }
                let same = again == bytes || again.len() as u64 != now.size;
                bytes = again;
                match same {
                    true => break,
                    false if reads == MOST_READS => return Err(Stopped::Changed),
                    false => {}
                }
            }
            // Who may read what is there now was not said of what was there before.
            let found = self.looks(source, now).await?;
            looks = match bits {
                Bits::OfSource(_) => found,
                Bits::Kept(mode) => Looks { mode, ..found },
            };
        }
        if bytes.len() as u64 > SMALL {
            return Err(Broken::source(
                "it has more than its size says, as files of /proc do, and more than 256 KiB: without --resume one of them alone is read to its end",
            )
            .into());
        }
        let len = bytes.len() as u64;
        self.to.place(partial, path, bytes, looks).await?;
        self.progress.borrow_mut().add(len);
        Ok(())
    }

    /// The looks of a source, as long as it is this version.
    async fn looks(&self, source: &AbsPath, now: Version) -> Result<Looks, Stopped> {
        let _one = self.listing.lock().await;
        let outline = self.from.outline(source).await;
        let mut outline = outline.map_err(Broken::while_reading)?;
        // A server has few of them open for a connection, also where one fails.
        let found = self.from.next(&mut outline).await;
        let ended = self.from.end(outline).await;
        let found = found?;
        ended?;
        match found.first() {
            Some(found) if found.version() == Some(now) => Ok(found.looks()),
            _ => Err(Stopped::Changed),
        }
    }

    async fn large(
        &self,
        source: &AbsPath,
        path: &AbsPath,
        partial: &AbsPath,
        version: Version,
        bits: Bits,
    ) -> Result<(), Stopped> {
        let looked = self.to.look(std::slice::from_ref(partial)).await?;
        let had = match looked.first() {
            Some(Looked::File(found)) if found.size <= version.size => found.size,
            _ => 0,
        };
        let reader = self
            .from
            .open(source, Purpose::Read)
            .await
            .map_err(Broken::while_reading)?;
        let copied = async {
            let (writer, at) = self.begin(&reader, partial, had).await?;
            if at > 0 {
                tracing::info!("{}: going on at {at} of {}", path, version.size);
            }
            self.progress.borrow_mut().skip(at);
            let copied = self.copy(&reader, &writer, at, version.size).await;
            let closed = self.to.close(writer).await;
            copied.and(closed.map_err(Stopped::from))
        };
        let copied = copied.await;
        // What was read is read, whatever comes of the closing.
        let _ = self.from.close(reader).await;
        let source = self.from.look(std::slice::from_ref(source)).await;
        match copied {
            Err(Stopped::Broken(broken)) => return Err(broken.into()),
            _ if source?.first() != Some(&Looked::File(version)) => return Err(Stopped::Changed),
            Err(stopped) => return Err(stopped),
            Ok(()) => {}
        }
        match self.to.look(std::slice::from_ref(partial)).await?.first() {
            Some(Looked::File(found)) if found.size == version.size => {}
            found => {
                let text = format!(
                    "its partial {} is not what was written ({found:?}); run the same command again",
                    printable(&partial.to_string())
                );
                return Err(Broken::by(text).into());
            }
        }
        let looks = bits.with(version.modified_ms);
        self.to.finish(partial, path, looks).await?;
        Ok(())
    }

    /// The partial, opened, and where to go on: after what it has, if that ends as the source has it there.
    async fn begin(
        &self,
        reader: &S::File,
        partial: &AbsPath,
        had: u64,
    ) -> Result<(D::File, u64), Broken> {
        if had > 0 {
            let writer = self.to.open(partial, Purpose::GoOn).await?;
            let len = had.min(TAIL);
            let (there, here) = (
                self.to.read(&writer, had - len, len).await?,
                self.from
                    .read(reader, had - len, len)
                    .await
                    .map_err(Broken::while_reading)?,
            );
            if there == here && here.len() as u64 == len {
                return Ok((writer, had));
            }
            self.to.close(writer).await?;
        }
        let writer = self.to.open(partial, Purpose::Begin).await?;
        self.to.hide(partial).await?;
        Ok((writer, 0))
    }

    /// The next block is read while the one before is written.
    async fn copy(
        &self,
        reader: &S::File,
        writer: &D::File,
        mut at: u64,
        size: u64,
    ) -> Result<(), Stopped> {
        let block = |at: u64| {
            let len = size.saturating_sub(at).min(BLOCK_BYTES);
            async move {
                match len {
                    0 => Ok(Vec::new()),
                    len => self
                        .from
                        .read(reader, at, len)
                        .await
                        .map_err(Broken::while_reading),
                }
            }
        };
        let mut next = block(at).await?;
        while at < size {
            let len = next.len() as u64;
            if len < (size - at).min(BLOCK_BYTES) {
                return Err(Stopped::Sooner);
            }
            let end = at + len;
            let write = async {
                match (is_zeros(&next), end < size) {
                    // They come about as a hole by what is written behind them.
                    (true, true) => Ok(()),
                    (true, false) => self.to.write(writer, end - 1, vec![0]).await,
                    (false, _) => self.to.write(writer, at, next).await,
                }
            };
            let (written, read) = tokio::join!(write, block(end));
            written?;
            at += len;
            self.progress.borrow_mut().add(len);
            next = read?;
        }
        Ok(())
    }
}

/// Why a file did not arrive.
enum Stopped {
    /// The source is not what it was.
    Changed,
    /// It ends before its size says.
    Sooner,
    Broken(Broken),
}

impl From<Broken> for Stopped {
    fn from(broken: Broken) -> Stopped {
        Stopped::Broken(broken)
    }
}
