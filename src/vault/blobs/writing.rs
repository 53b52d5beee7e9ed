//! Sealing an object while it is written.

use super::port::{ObjectStore, Put};
use super::{Digests, MAX_HEADER, header, object_name};
use crate::base::clock;
use crate::vault::seal::{self, Recipient};
use age::stream::StreamWriter;
use chrono::{DateTime, Utc};
use sha2::{Digest, Sha256};
use std::fmt;
use std::io::{self, Read, Write};
use std::sync::Arc;
use uuid::Uuid;

/// An object that was sealed and stored. `Debug` shows only what may be logged.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Stored {
    /// The random name of the object.
    pub object: Uuid,
    /// Number of plain bytes, with the padding. Of the content's size, only this is stored in the clear.
    pub padded: u64,
    /// Number of plain bytes, without the padding. Only stored in a sealed entry.
    pub length: u64,
    /// SHA-256 of the plain bytes, without the padding. Only stored in a sealed entry.
    pub plain_sha256: [u8; 32],
    /// Digests of the sealed object.
    pub digests: Digests,
    /// Size of the sealed object, in bytes.
    pub sealed_bytes: u64,
}

impl fmt::Debug for Stored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stored")
            .field("padded", &self.padded)
            .field("sealed_bytes", &self.sealed_bytes)
            .finish_non_exhaustive()
    }
}

/// A stored object that no row names yet. If it is dropped without [`Finished::keep`], it is deleted.
#[derive(Debug)]
pub struct Finished {
    stored: Stored,
    store: Arc<dyn ObjectStore>,
    is_kept: bool,
}

impl Finished {
    /// Returns what was stored.
    pub fn stored(&self) -> &Stored {
        &self.stored
    }

    /// Keeps the object from now on, because a row may name it, and returns what was stored.
    pub fn keep(mut self) -> Stored {
        self.is_kept = true;
        self.stored
    }
}

impl Drop for Finished {
    fn drop(&mut self) {
        if !self.is_kept {
            let _ = self.store.delete(&object_name(self.stored.object));
        }
    }
}

/// An object that is being sealed. If it is dropped before [`Writer::finish`], the unfinished object is deleted.
pub struct Writer {
    stream: StreamWriter<Hashed>,
    store: Arc<dyn ObjectStore>,
    object: Uuid,
    length: u64,
    /// SHA-256 of the plain bytes so far. Boxed, because it buffers up to 64 bytes of plain audio, and each move of the
    /// writer would leave a copy of them on the stack.
    plain: Box<Sha256>,
}

impl Writer {
    pub(super) fn new(store: Arc<dyn ObjectStore>, to: &Recipient) -> io::Result<Self> {
        let object = clock::random_id();
        let out = Hashed {
            put: store.put(&object_name(object))?,
            sha256: Sha256::new(),
            bytes: 0,
            head: Vec::new(),
        };
        Ok(Self {
            stream: seal::sealing(&[to], out)?,
            store,
            object,
            length: 0,
            plain: Box::default(),
        })
    }

    /// Seals the next piece of the plain bytes.
    pub fn write(&mut self, piece: &[u8]) -> io::Result<()> {
        self.stream.write_all(piece)?;
        self.plain.update(piece);
        self.length += piece.len() as u64;
        Ok(())
    }

    /// Returns the number of plain bytes written so far.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Pads the object and stores it. When this returns, it is on stable storage. Its time is set to the hour of `at`,
    /// if the store can set it. It is deleted again unless it is [kept](Finished::keep).
    pub fn finish(mut self, at: DateTime<Utc>) -> io::Result<Finished> {
        let padded = padme(self.length);
        let padding = padded - self.length;
        io::copy(&mut io::repeat(0).take(padding), &mut self.stream)?;
        let out = self.stream.finish()?;
        let mut plain_sha256 = [0; 32];
        self.plain.finalize_into_reset((&mut plain_sha256).into());
        let header = header(&out.head).ok_or(io::ErrorKind::InvalidData)?;
        let digests = Digests {
            whole: out.sha256.finalize().into(),
            header: Sha256::digest(header).into(),
        };
        out.put.finish(at)?;
        Ok(Finished {
            stored: Stored {
                object: self.object,
                padded,
                length: self.length,
                plain_sha256,
                digests,
                sealed_bytes: out.bytes,
            },
            store: self.store,
            is_kept: false,
        })
    }
}

impl fmt::Debug for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writer").finish_non_exhaustive()
    }
}

/// Hashes and counts the sealed bytes on their way to the store.
struct Hashed {
    put: Box<dyn Put>,
    sha256: Sha256,
    bytes: u64,
    /// The first sealed bytes, at most [`MAX_HEADER`]. They include the header.
    head: Vec<u8>,
}

impl Write for Hashed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.put.write(bytes)?;
        let bytes = &bytes[..written];
        self.sha256.update(bytes);
        self.bytes += written as u64;
        let missing = MAX_HEADER.saturating_sub(self.head.len());
        self.head.extend_from_slice(&bytes[..missing.min(written)]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.put.flush()
    }
}

/// Returns the Padmé length for an object of `length` bytes: the next length whose binary form ends in so many zeros
/// that padded lengths up to `n` reveal only about log log `n` bits. The padding adds at most 12 %.
///
/// Source: Nikitin, Barman, Lueks, Underwood, Hubaux, Ford, "Reducing Metadata Leakage from Encrypted Files and
/// Communication with PURBs", PoPETs 2019(4), algorithm 1, <https://arxiv.org/abs/1806.03160>.
pub fn padme(length: u64) -> u64 {
    if length < 2 {
        return length;
    }
    let exponent = length.ilog2();
    let kept = exponent.ilog2() + 1;
    let mask = (1 << (exponent - kept)) - 1;
    // Near 2^64 there may be no such length; no object is that long.
    length
        .checked_add(mask)
        .map_or(length, |above| above & !mask)
}
