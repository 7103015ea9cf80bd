//! Bodies: DATA out of its coding, into a file.

use super::super::http::coding::{Decoder, Limits, OUTPUT_LIMIT, codings_of_2};
use super::super::{File, FileState};
use super::config::Http2Config;

/// More than this many times what was sent is a bomb. One frame of 16 KiB may not become a few MiB.
const BOMB_RATIO: u64 = 200;
/// What comes out of a body while many others of the connection are being decoded: enough for rules.
const SMALL_OUTPUT_LIMIT: u64 = 256 << 10;
/// So many are not many.
const DECODERS: usize = 4;

/// A body, as far as it came.
#[derive(Debug, Default)]
pub(super) struct Body {
    /// Its place among the transaction's files.
    pub(super) file: Option<usize>,
    decoder: Option<Box<Decoder>>,
    begun: bool,
    over: bool,
    /// A part of it was lost: what follows is not next to what is kept.
    broken: bool,
}

/// What is needed besides to go on with it.
pub(super) struct Room<'a> {
    pub(super) files: &'a mut Vec<File>,
    pub(super) to_server: bool,
    pub(super) config: &'a Http2Config,
}

impl Room<'_> {
    fn append(&mut self, file: &mut Option<usize>, bytes: &[u8]) {
        let index = *file.get_or_insert_with(|| {
            self.files.push(File::open(Vec::new(), self.to_server));
            self.files.len() - 1
        });
        if let Some(file) = self.files.get_mut(index) {
            file.append(bytes, self.config.body_limit);
        }
    }
}

impl Body {
    /// Says what it is coded with, before its first byte. `decoders`: bodies of the connection that are being
    /// decoded.
    pub(super) fn begin(&mut self, coding: Option<&[u8]>, decoders: usize, config: &Http2Config) {
        if std::mem::replace(&mut self.begun, true) {
            return;
        }
        let codings = coding.map(codings_of_2).unwrap_or_default();
        if !codings.is_empty() {
            let limits = Limits {
                bomb_limit: config.bomb_limit,
                bomb_ratio: BOMB_RATIO,
                output_limit: if decoders < DECODERS { OUTPUT_LIMIT } else { SMALL_OUTPUT_LIMIT },
                lzma_memory_bytes: 0,
            };
            self.decoder = Some(Box::new(Decoder::new(&codings, limits)));
        }
    }

    pub(super) const fn has_begun(&self) -> bool {
        self.begun
    }

    pub(super) const fn is_decoding(&self) -> bool {
        self.decoder.is_some()
    }

    /// The next bytes. What is odd about them goes to `event`.
    pub(super) fn data(
        &mut self,
        bytes: &[u8],
        room: &mut Room<'_>,
        event: &mut dyn FnMut(&'static str),
    ) {
        if self.over || bytes.is_empty() {
            return;
        }
        if self.broken {
            if let Some(file) = self.file.and_then(|index| room.files.get_mut(index))
                && self.decoder.is_none()
            {
                file.lose(bytes.len() as u64);
            }
            return;
        }
        let Self { file, decoder, .. } = self;
        match decoder {
            None => room.append(file, bytes),
            Some(decoder) => {
                decoder.feed(bytes, &mut |plain: &[u8]| room.append(file, plain));
                self.note(room, event);
            }
        }
    }

    fn note(&mut self, room: &mut Room<'_>, event: &mut dyn FnMut(&'static str)) {
        let Some(decoder) = &self.decoder else { return };
        let faults = decoder.faults();
        if faults.failed {
            event("http2.failed_decompression");
        }
        if faults.bomb {
            event("http2.compression_bomb");
        }
        if (faults.bomb || faults.cut)
            && let Some(file) = self.file.and_then(|index| room.files.get_mut(index))
        {
            file.truncate();
        }
    }

    /// Bytes that will never come.
    pub(super) fn lose(&mut self, len: u64, room: &mut Room<'_>) {
        if self.over {
            return;
        }
        self.broken = true;
        if let Some(file) = self.file.and_then(|index| room.files.get_mut(index)) {
            file.lose(len);
        }
    }

    /// There is no more of it; `whole` if its sender said so.
    pub(super) fn end(
        &mut self,
        whole: bool,
        room: &mut Room<'_>,
        event: &mut dyn FnMut(&'static str),
    ) {
        if std::mem::replace(&mut self.over, true) || !self.begun {
            return;
        }
        if !self.broken {
            let Self { file, decoder, .. } = self;
            if let Some(decoder) = decoder {
                decoder.finish(&mut |plain: &[u8]| room.append(file, plain));
            }
            self.note(room, event);
            // A body without a byte is a file as well.
            if whole && self.file.is_none() {
                room.append(&mut self.file, &[]);
            }
        }
        self.decoder = None;
        if let Some(file) = self.file.and_then(|index| room.files.get_mut(index))
            && file.state == FileState::Open
        {
            if whole { file.close() } else { file.truncate() }
        }
    }

    pub(super) const fn is_over(&self) -> bool {
        self.over
    }

    pub(super) fn memory_bytes(&self) -> usize {
        self.decoder.as_ref().map_or(0, |decoder| decoder.memory_bytes())
    }
}
