//! Opening parts of a sealed object.

use super::port::ObjectStore;
use super::{Digests, MAX_HEADER, header, object_name};
use crate::vault::seal::{self, Identity, OpenError};
use age::stream::StreamReader;
use sha2::{Digest, Sha256};
use std::fmt;
use std::io::{self, BufRead, Read, Seek, SeekFrom};
use std::sync::Arc;
use uuid::Uuid;

/// Number of bytes requested from the store at once: about two chunks of an age file.
const PIECE: u64 = 128 * 1024;

/// A sealed object that is being opened, without its padding. Opens only its last chunk and the chunks that are read.
pub struct Reader {
    stream: StreamReader<Ranges>,
    length: u64,
    position: u64,
}

impl Reader {
    pub(super) fn new(
        store: Arc<dyn ObjectStore>,
        object: Uuid,
        digests: &Digests,
        with: &Identity,
        length: u64,
    ) -> Result<Self, OpenError> {
        let ranges = Ranges::new(store, object_name(object))?;
        if <[u8; 32]>::from(Sha256::digest(&ranges.header)) != digests.header {
            return Err(OpenError::Damaged);
        }
        let mut stream = seal::opening(ranges, with)?;
        // Seeking to the end opens the last chunk as the last one, which shows whether the object was truncated.
        if stream.seek(SeekFrom::End(0))? < length {
            return Err(OpenError::Damaged);
        }
        Ok(Self {
            stream,
            length,
            position: 0,
        })
    }

    /// Returns the number of plain bytes of the object, without the padding.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Returns the plain bytes from `start` up to, not including, `end`; fewer if the object ends before.
    pub fn read_range(&mut self, start: u64, end: u64) -> io::Result<Vec<u8>> {
        let end = end.min(self.length);
        let count = usize::try_from(end.saturating_sub(start)).map_err(io::Error::other)?;
        let mut plain = vec![0; count];
        self.seek(SeekFrom::Start(start))?;
        self.read_exact(&mut plain)?;
        Ok(plain)
    }
}

impl Read for Reader {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let left = self.length.saturating_sub(self.position);
        let most = usize::try_from(left).map_or(buf.len(), |left| left.min(buf.len()));
        if most == 0 {
            return Ok(0);
        }
        // Only within the length: age's reader panics when it reads after the end.
        self.stream.seek(SeekFrom::Start(self.position))?;
        let read = self.stream.read(&mut buf[..most])?;
        self.position += read as u64;
        Ok(read)
    }
}

impl Seek for Reader {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let target = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(by) => self.length.checked_add_signed(by),
            SeekFrom::Current(by) => self.position.checked_add_signed(by),
        };
        self.position = target.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.position)
    }
}

impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader").finish_non_exhaustive()
    }
}

/// An object of a store, read a piece at a time. The header is read once, so that the header whose digest is checked is
/// the one used, even if the object is changed in the meantime.
struct Ranges {
    store: Arc<dyn ObjectStore>,
    name: String,
    size: u64,
    header: Vec<u8>,
    position: u64,
    /// Position of `piece` in the object.
    start: u64,
    piece: Vec<u8>,
}

impl Ranges {
    fn new(store: Arc<dyn ObjectStore>, name: String) -> io::Result<Self> {
        let size = store.about(&name)?.bytes;
        let mut header_bytes = store.get(&name, 0..MAX_HEADER as u64)?;
        // Without a header age is given the bytes as they are, and reports the error.
        let end = header(&header_bytes).map_or(0, <[u8]>::len);
        header_bytes.truncate(end);
        // Then the object was exchanged between the two reads; age would subtract the header's length from the size.
        if size < end as u64 {
            return Err(io::ErrorKind::InvalidData.into());
        }
        Ok(Self {
            store,
            name,
            size,
            header: header_bytes,
            position: 0,
            start: 0,
            piece: Vec::new(),
        })
    }
}

impl BufRead for Ranges {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.position < self.header.len() as u64 {
            return Ok(&self.header[to_index(self.position)?..]);
        }
        let end = self.start + self.piece.len() as u64;
        if !(self.start..end).contains(&self.position) && self.position < self.size {
            let range = self.position..self.size.min(self.position + PIECE);
            self.piece = self.store.get(&self.name, range)?;
            self.start = self.position;
        }
        let skipped = to_index(self.position.saturating_sub(self.start))?;
        Ok(self.piece.get(skipped..).unwrap_or_default())
    }

    fn consume(&mut self, count: usize) {
        self.position += count as u64;
    }
}

impl Read for Ranges {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let read = self.fill_buf()?.read(buf)?;
        self.consume(read);
        Ok(read)
    }
}

impl Seek for Ranges {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let target = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(by) => self.size.checked_add_signed(by),
            SeekFrom::Current(by) => self.position.checked_add_signed(by),
        };
        self.position = target.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.position)
    }
}

fn to_index(position: u64) -> io::Result<usize> {
    usize::try_from(position).map_err(io::Error::other)
}
