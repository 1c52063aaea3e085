//! The tar format: what goes before an entry's contents, made and read. Bytes in, entries out; nothing here touches a file.
//!
//! Made: GNU's form, whose long names are bytes, as file names are. Read: that, and POSIX's (pax), in any cut.

use tar::{EntryType, GnuExtSparseHeader, Header, PaxExtensions};

use crate::limits;
use crate::operation::FsError;

/// Everything in a tar is a multiple of this.
pub(super) const BLOCK: usize = 512;

/// What an entry is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    File,
    Directory,
    /// And what it says.
    Link(Vec<u8>),
    /// What is not made here, in words.
    Refused(&'static str),
}

/// What goes before an entry's contents.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) kind: Kind,
    /// As it was sent: anything.
    pub(super) name: Vec<u8>,
    /// Nine bits.
    pub(super) mode: u32,
    /// Seconds since 1970.
    pub(super) modified: u64,
    /// Bytes that follow.
    pub(super) size: u64,
}

/// Bytes between the end of contents and the next block.
pub(super) fn padding(size: u64) -> usize {
    (BLOCK - (size % BLOCK as u64) as usize) % BLOCK
}

impl Head {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(BLOCK);
        let (kind, target) = match &self.kind {
            Kind::File => (EntryType::Regular, &[][..]),
            Kind::Directory => (EntryType::Directory, &[][..]),
            Kind::Link(target) => (EntryType::Symlink, &target[..]),
            // Is read, never made.
            Kind::Refused(_) => return bytes,
        };
        let mut header = Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(self.mode);
        header.set_mtime(self.modified);
        header.set_size(self.size);
        header.set_uid(0);
        header.set_gid(0);
        if let Some(fields) = header.as_gnu_mut() {
            long(
                &mut bytes,
                EntryType::GNULongLink,
                target,
                &mut fields.linkname,
            );
            long(
                &mut bytes,
                EntryType::GNULongName,
                &self.name,
                &mut fields.name,
            );
        }
        header.set_cksum();
        bytes.extend_from_slice(header.as_bytes());
        bytes
    }
}

/// The key of the extended header with which a file's end is told after it, where that was not known before it. GNU tar reads past it, with a
/// warning. Some others (Python's tarfile) take it for a mistake where no entry follows, so one always does.
const CUT: &str = "LOCKGATE.cut";

/// Says that the file before this had only `len` bytes, and that those after them are none of it.
pub(super) fn cut(len: u64) -> Vec<u8> {
    // A record begins with its own length, of which each digit counts.
    let rest = format!(" {CUT}={len}\n");
    let mut length = rest.len() + 1;
    while length != rest.len() + length.to_string().len() {
        length = rest.len() + length.to_string().len();
    }
    let record = format!("{length}{rest}");
    let mut header = Header::new_ustar();
    header.set_entry_type(EntryType::XHeader);
    header.set_mode(0o644);
    header.set_mtime(0);
    header.set_uid(0);
    header.set_gid(0);
    header.set_size(record.len() as u64);
    header.set_cksum();
    let mut bytes = header.as_bytes().to_vec();
    bytes.extend_from_slice(record.as_bytes());
    bytes.resize(bytes.len() + padding(record.len() as u64), 0);
    bytes
}

/// Puts text into a field; what does not fit goes before the header, as an entry of its own.
fn long(before: &mut Vec<u8>, kind: EntryType, text: &[u8], field: &mut [u8]) {
    if let Some(whole) = field.get_mut(..text.len()) {
        return whole.copy_from_slice(text);
    }
    let mut header = Header::new_gnu();
    let size = text.len() as u64 + 1;
    header.set_entry_type(kind);
    header.set_mode(0o644);
    header.set_mtime(0);
    header.set_uid(0);
    header.set_gid(0);
    header.set_size(size);
    if let Some(fields) = header.as_gnu_mut() {
        let name = b"././@LongLink";
        fields.name[..name.len()].copy_from_slice(name);
    }
    header.set_cksum();
    before.extend_from_slice(header.as_bytes());
    before.extend_from_slice(text);
    before.resize(before.len() + 1 + padding(size), 0);
    let fits = field.len();
    field.copy_from_slice(&text[..fits]);
}

/// A piece of what was read.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    /// An entry begins; its contents follow.
    Head(Head),
    /// Contents of the entry.
    Data(&'a [u8]),
    /// The entry is whole.
    End,
    /// The file before this had no more bytes than these.
    Cut(u64),
}

/// Reads a tar in pieces of any size.
#[derive(Default)]
pub(super) struct Reader {
    state: State,
    /// Of a block or of an extension that is not whole yet.
    gathered: Vec<u8>,
    long: Long,
    cut: Option<u64>,
}

/// What stands before an entry and is about it.
#[derive(Default)]
struct Long {
    name: Option<Vec<u8>>,
    target: Option<Vec<u8>>,
    size: Option<u64>,
    modified: Option<u64>,
    sparse: bool,
}

#[derive(Clone, Copy, Default)]
enum State {
    #[default]
    Header,
    /// Text about the next entry.
    Extension {
        kind: Extension,
        size: usize,
    },
    /// More of an old GNU sparse map, before contents of this size.
    SparseMap(u64),
    Body {
        left: u64,
        size: u64,
    },
    /// Contents that are no entry's, and padding.
    Skip(u64),
    End,
}

#[derive(Clone, Copy)]
enum Extension {
    Name,
    Target,
    Pax,
}

impl Reader {
    /// Whether this is where a tar may end. Some tars lack the two blocks of zeros.
    pub(super) fn may_end(&self) -> bool {
        match self.state {
            State::End => true,
            State::Header => self.gathered.is_empty() && self.long.name.is_none(),
            _ => false,
        }
    }

    /// The next piece; none when all of `bytes` were taken and more are needed.
    pub(super) fn next<'a>(&mut self, bytes: &mut &'a [u8]) -> Result<Option<Piece<'a>>, FsError> {
        loop {
            match self.state {
                State::End => {
                    *bytes = &[];
                    return Ok(None);
                }
                State::Header => {
                    if !self.gather(bytes, BLOCK) {
                        return Ok(None);
                    }
                    let block = std::mem::take(&mut self.gathered);
                    if let Some(head) = self.header(&block)? {
                        return Ok(Some(Piece::Head(head)));
                    }
                }
                State::Extension { kind, size } => {
                    if !self.gather(bytes, size) {
                        return Ok(None);
                    }
                    let text = std::mem::take(&mut self.gathered);
                    self.extension(kind, &text)?;
                    self.state = State::Skip(padding(size as u64) as u64);
                    if let Some(len) = self.cut.take() {
                        return Ok(Some(Piece::Cut(len)));
                    }
                }
                State::SparseMap(size) => {
                    if !self.gather(bytes, BLOCK) {
                        return Ok(None);
                    }
                    let block = std::mem::take(&mut self.gathered);
                    let mut map = GnuExtSparseHeader::new();
                    map.as_mut_bytes().copy_from_slice(&block);
                    if !map.is_extended() {
                        self.state = State::Body { left: size, size };
                    }
                }
                State::Body { left: 0, size } => {
                    self.state = State::Skip(padding(size) as u64);
                    return Ok(Some(Piece::End));
                }
                State::Body { left, size } => {
                    if bytes.is_empty() {
                        return Ok(None);
                    }
                    let data = take(bytes, left);
                    let left = left - data.len() as u64;
                    self.state = State::Body { left, size };
                    return Ok(Some(Piece::Data(data)));
                }
                State::Skip(0) => self.state = State::Header,
                State::Skip(left) => {
                    if bytes.is_empty() {
                        return Ok(None);
                    }
                    self.state = State::Skip(left - take(bytes, left).len() as u64);
                }
            }
        }
    }

    fn gather(&mut self, bytes: &mut &[u8], size: usize) -> bool {
        let piece = take(bytes, (size - self.gathered.len()) as u64);
        self.gathered.extend_from_slice(piece);
        self.gathered.len() == size
    }

    /// What a block says; none if it is about the entry after it.
    fn header(&mut self, block: &[u8]) -> Result<Option<Head>, FsError> {
        let header = Header::from_byte_slice(block);
        if block.iter().all(|byte| *byte == 0) {
            self.state = State::End;
            return Ok(None);
        }
        if header.cksum().ok() != Some(checksum(block)) {
            return Err(FsError::NoTree("a header's checksum is wrong"));
        }
        let size = header
            .entry_size()
            .map_err(|_| FsError::NoTree("a header has no size"))?;
        let kind = match header.entry_type() {
            EntryType::GNULongName => Extension::Name,
            EntryType::GNULongLink => Extension::Target,
            EntryType::XHeader => Extension::Pax,
            EntryType::XGlobalHeader => {
                self.state = State::Skip(whole(size)?);
                return Ok(None);
            }
            _ => return self.entry(header, size).map(Some),
        };
        let size = usize::try_from(size)
            .ok()
            .filter(|size| *size <= limits::TREE_EXTENSION_BYTES)
            .ok_or(FsError::NoTree("what stands before an entry is too long"))?;
        self.state = State::Extension { kind, size };
        Ok(None)
    }

    fn entry(&mut self, header: &Header, size: u64) -> Result<Head, FsError> {
        let long = std::mem::take(&mut self.long);
        let target = long
            .target
            .or_else(|| header.link_name_bytes().map(|name| name.into_owned()));
        let name = long
            .name
            .unwrap_or_else(|| header.path_bytes().into_owned());
        let mut size = long.size.unwrap_or(size);
        let kind = match header.entry_type() {
            _ if long.sparse => Kind::Refused("sparse entries are not taken"),
            // What ends with a slash is a directory in the oldest tars.
            EntryType::Regular | EntryType::Continuous if name.ends_with(b"/") => Kind::Directory,
            EntryType::Regular | EntryType::Continuous => Kind::File,
            EntryType::Directory => Kind::Directory,
            EntryType::Symlink => Kind::Link(target.unwrap_or_default()),
            EntryType::Link => Kind::Refused("hard links are not taken"),
            EntryType::GNUSparse => Kind::Refused("sparse entries are not taken"),
            EntryType::Char | EntryType::Block | EntryType::Fifo => {
                Kind::Refused("neither a file nor a directory nor a link")
            }
            _ => Kind::Refused("an entry of a kind that is not known here"),
        };
        // Links of some tars name the size of what they lead to, and have no contents.
        if matches!(header.entry_type(), EntryType::Link | EntryType::Symlink) {
            size = 0;
        }
        whole(size)?;
        let more_map = header.entry_type() == EntryType::GNUSparse
            && header.as_gnu().is_some_and(|gnu| gnu.is_extended());
        self.state = match more_map {
            true => State::SparseMap(size),
            false => State::Body { left: size, size },
        };
        Ok(Head {
            kind,
            name,
            mode: header.mode().unwrap_or(0o644) & crate::contents::PERMISSION_BITS,
            modified: long.modified.unwrap_or_else(|| header.mtime().unwrap_or(0)),
            size,
        })
    }

    fn extension(&mut self, kind: Extension, text: &[u8]) -> Result<(), FsError> {
        let until_nul = || text.split(|byte| *byte == 0).next().unwrap_or_default();
        match kind {
            Extension::Name => self.long.name = Some(until_nul().to_vec()),
            Extension::Target => self.long.target = Some(until_nul().to_vec()),
            Extension::Pax => {
                let wrong = || FsError::NoTree("an extended header does not decode");
                for record in PaxExtensions::new(text) {
                    let record = record.map_err(|_| wrong())?;
                    let value = record.value_bytes();
                    let number = || {
                        let whole = value.split(|byte| *byte == b'.').next()?;
                        std::str::from_utf8(whole).ok()?.parse().ok()
                    };
                    match record.key_bytes() {
                        b"path" => self.long.name = Some(value.to_vec()),
                        key if key == CUT.as_bytes() => {
                            self.cut = Some(number().ok_or_else(wrong)?);
                        }
                        b"linkpath" => self.long.target = Some(value.to_vec()),
                        b"size" => self.long.size = Some(number().ok_or_else(wrong)?),
                        // Before 1970, if it is no number.
                        b"mtime" => self.long.modified = Some(number().unwrap_or(0)),
                        key if key.starts_with(b"GNU.sparse") => self.long.sparse = true,
                        _ => {}
                    }
                }
            }
        }
        Ok(())
    }
}

fn take<'a>(bytes: &mut &'a [u8], most: u64) -> &'a [u8] {
    let (piece, rest) =
        bytes.split_at(usize::try_from(most).unwrap_or(usize::MAX).min(bytes.len()));
    *bytes = rest;
    piece
}

/// Contents with their padding; a size that no disk has is a lie.
fn whole(size: u64) -> Result<u64, FsError> {
    match size {
        0..=limits::TREE_FILE_BYTES => Ok(size + padding(size) as u64),
        _ => Err(FsError::NoTree("a size is larger than any file")),
    }
}

/// The sum of all bytes, those of the sum itself taken for spaces.
fn checksum(block: &[u8]) -> u32 {
    let bytes = block.iter().enumerate();
    bytes
        .map(|(at, byte)| match at {
            148..156 => u32::from(b' '),
            _ => u32::from(*byte),
        })
        .sum()
}
