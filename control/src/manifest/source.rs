//! The text of a manifest, and where in it something stands.

use std::io::Read;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// Manifests are written by hand; more than this is another file given by mistake.
const FILE_MAX_BYTES: u64 = 4 << 20;

/// One file given to umbra.
#[derive(Debug, Clone)]
pub(super) struct SourceFile {
    /// As it was given.
    pub path: PathBuf,
    /// All of it; empty when it could not be read.
    pub text: String,
}

/// A stretch of a source file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Span {
    /// Index of the file among those given.
    pub file: usize,
    /// First byte.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
}

impl Span {
    /// The stretch `range` of file number `file`.
    pub(super) fn new(file: usize, range: Range<usize>) -> Self {
        Self { file, start: range.start, end: range.end }
    }

    /// The beginning of file number `file`, for what stands nowhere in it.
    pub(super) fn whole_file(file: usize) -> Self {
        Self { file, start: 0, end: 0 }
    }
}

/// Something and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct At<T> {
    /// The thing.
    pub value: T,
    /// Its place.
    pub at: Span,
}

/// Why a file could not be used, and the byte at which that shows, if at one.
#[derive(Debug, thiserror::Error)]
pub(super) enum ReadError {
    /// The system said no.
    #[error("cannot be read: {0}")]
    Io(#[from] std::io::Error),
    /// Too long to be a manifest.
    #[error("is longer than {} MiB, which no manifest is", FILE_MAX_BYTES >> 20)]
    TooLong,
    /// Not text.
    #[error("is not UTF-8 text")]
    NotUtf8 {
        /// The first byte that is wrong.
        offset: usize,
        /// The text with a mark in place of what is wrong.
        lossy: String,
    },
}

/// A position for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Position {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// The whole line, without its end.
    pub source_line: String,
    /// Characters from the column on that are meant, on this line.
    pub width: usize,
}

impl SourceFile {
    /// Reads `path`.
    pub(super) fn read(path: &Path) -> Result<Self, ReadError> {
        let mut bytes = Vec::new();
        std::fs::File::open(path)?.take(FILE_MAX_BYTES + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > FILE_MAX_BYTES {
            return Err(ReadError::TooLong);
        }
        let text = String::from_utf8(bytes).map_err(|error| ReadError::NotUtf8 {
            offset: error.utf8_error().valid_up_to(),
            lossy: String::from_utf8_lossy(error.as_bytes()).into_owned(),
        })?;
        Ok(Self { path: path.to_owned(), text })
    }

    /// Where `start..end` is. Offsets beyond the text mean its end.
    pub(super) fn position(&self, start: usize, end: usize) -> Position {
        let text = &self.text;
        let start = floor_char_boundary(text, start);
        let end = floor_char_boundary(text, end.max(start));
        let line_start = text[..start].rfind('\n').map_or(0, |at| at + 1);
        let line_end = text[start..].find('\n').map_or(text.len(), |at| start + at);
        let source_line = text[line_start..line_end].trim_end_matches('\r');
        // A caret behind the last character still stands on this line.
        let start_in_line = (start - line_start).min(source_line.len());
        let end_in_line = (end.min(line_end) - line_start).clamp(start_in_line, source_line.len());
        Position {
            line: text[..line_start].bytes().filter(|&b| b == b'\n').count() + 1,
            column: source_line[..start_in_line].chars().count() + 1,
            width: source_line[start_in_line..end_in_line].chars().count(),
            source_line: source_line.to_owned(),
        }
    }

    /// The text of a span, cut to what fits into a message.
    pub(super) fn excerpt(&self, span: &Span) -> String {
        const MAX_CHARS: usize = 60;
        let start = floor_char_boundary(&self.text, span.start);
        let end = floor_char_boundary(&self.text, span.end.max(start));
        let whole = self.text[start..end].split_whitespace().collect::<Vec<_>>().join(" ");
        if whole.chars().count() <= MAX_CHARS {
            whole
        } else {
            whole.chars().take(MAX_CHARS - 1).chain(['…']).collect()
        }
    }
}

fn floor_char_boundary(text: &str, offset: usize) -> usize {
    let mut at = offset.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str) -> SourceFile {
        SourceFile { path: "m.toml".into(), text: text.into() }
    }

    #[test]
    fn columns_count_characters_and_lines_end_without_carriage_returns() {
        let f = file("a = 1\r\né = \"x\"\r\n");
        let p = f.position(12, 15);
        assert_eq!((p.line, p.column, p.width), (2, 5, 3));
        assert_eq!(p.source_line, "é = \"x\"");
    }

    #[test]
    fn positions_at_and_beyond_the_end_and_inside_a_character_do_not_panic() {
        let f = file("é");
        for start in 0..5 {
            for end in 0..5 {
                let p = f.position(start, end);
                assert_eq!(p.line, 1);
                f.excerpt(&Span { file: 0, start, end });
            }
        }
        assert_eq!(file("a\n").position(2, 2).line, 2);
        assert_eq!(file("").position(0, 0).column, 1);
    }

    #[test]
    fn a_span_over_several_lines_is_marked_to_the_end_of_its_first() {
        let f = file("x = [1,\n  2]\n");
        assert_eq!(f.position(4, 12).width, 3);
        assert_eq!(f.excerpt(&Span { file: 0, start: 4, end: 12 }), "[1, 2]");
    }
}
