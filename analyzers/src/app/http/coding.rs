//! Undoing content codings, one after the other.
//!
//! What a header claims is a hint. Browsers take deflate with and without its zlib header, gzip that lies
//! about its header's parts, gzip called deflate and the other way round, and show what is not compressed
//! as it is; so all of these are tried, as long as nothing came out. Checksums and lengths at the end are
//! not looked at: a browser has shown the page by then.

use std::io::Write;

use lzma_rs::decompress::{Options, Stream, UnpackedSize};

use super::brotli::{Brotli, Progress};
use super::bytes::{find_ci, is_space, trim};
use super::inflate::{Inflater, WINDOW_BYTES};

/// Bytes that are kept in order to try something else.
const HELD_LIMIT: usize = 16 << 10;
/// Bytes of LZMA that are decoded.
const LZMA_LIMIT: usize = 256 << 10;
/// Bytes of LZMA at a time.
const LZMA_PIECE_BYTES: usize = 256;
/// So much must come out of what says nothing of being deflate, or its end, before it is taken for that.
const CONVINCING_BYTES: usize = 8 << 10;
/// Codings of one body, whatever is configured.
const LAYERS_LIMIT: usize = 16;
/// Gzip members in a row that are undone.
const MEMBERS_LIMIT: u32 = 32;
/// What a layer may give to the next, or in all. A body's kept part is far below, so this only bounds work.
pub(in super::super) const OUTPUT_LIMIT: u64 = 8 << 20;

/// What a message's body is said to be compressed with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Coding {
    Gzip,
    Deflate,
    Lzma,
    Brotli,
}

/// The codings of HTTP/2's content-encoding, which has brotli and no LZMA, at most two.
pub(in super::super) fn codings_of_2(value: &[u8]) -> Vec<Coding> {
    let tokens = value.split(|&b| b == b',').map(|token| trim(token, is_space));
    let known = tokens.filter_map(|token| {
        let is = |name: &[u8]| token.eq_ignore_ascii_case(name);
        match () {
            _ if is(b"gzip") || is(b"x-gzip") => Some(Coding::Gzip),
            _ if is(b"deflate") => Some(Coding::Deflate),
            _ if is(b"br") => Some(Coding::Brotli),
            _ => None,
        }
    });
    known.take(2).collect()
}

/// The codings of a Content-Encoding field in its order, at most `limit` (0: as many as there may ever be);
/// whether a value was odd, and whether there were more.
pub(in super::super) fn codings(
    value: &[u8],
    limit: usize,
    lzma: bool,
) -> (Vec<Coding>, bool, bool) {
    let (mut found, mut odd) = (Vec::new(), false);
    let limit = if limit == 0 { LAYERS_LIMIT } else { limit.min(LAYERS_LIMIT) };
    let mut lzma_left = usize::from(lzma);
    let value: Vec<u8> = value.iter().copied().filter(|&b| b != 0).collect();
    for token in value.split(|&b| b == b',' || is_space(b)) {
        let token = trim(token, is_space);
        if token.is_empty() {
            continue;
        }
        let is = |name: &[u8]| token.eq_ignore_ascii_case(name);
        let coding = if find_ci(token, b"gzip").is_some() {
            odd |= !is(b"gzip") && !is(b"x-gzip");
            Some(Coding::Gzip)
        } else if find_ci(token, b"deflate").is_some() {
            odd |= !is(b"deflate") && !is(b"x-deflate");
            Some(Coding::Deflate)
        } else if is(b"lzma") {
            let allowed = lzma_left > 0;
            lzma_left = lzma_left.saturating_sub(1);
            allowed.then_some(Coding::Lzma)
        } else {
            odd |= !is(b"inflate") && !is(b"identity") && !is(b"none");
            None
        };
        if coding.is_some() && found.len() >= limit {
            return (found, odd, true);
        }
        found.extend(coding);
    }
    (found, odd, false)
}

#[derive(Debug)]
enum State {
    /// Not known yet what it is.
    Sniff,
    Inflate(Box<Inflater>),
    Brotli(Brotli),
    /// It is what it is.
    Pass,
    /// Behind the end of a gzip member: bytes of its trailer that are still to come.
    Trailer(u8),
    /// Whatever follows is nothing.
    Done,
}

/// What went wrong so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in super::super) struct Faults {
    pub(in super::super) failed: bool,
    pub(in super::super) memory: bool,
    pub(in super::super) bomb: bool,
    /// More came out than is of use.
    pub(in super::super) cut: bool,
}

/// One coding that is undone.
#[derive(Debug)]
struct Layer {
    coding: Coding,
    state: State,
    /// All input as long as something else may have to be tried with it.
    held: Vec<u8>,
    /// Where in `held` the compressed data may begin, best last.
    starts: Vec<usize>,
    gzip: bool,
    /// What came out while nothing but that says that it is deflate.
    unsure: Option<Vec<u8>>,
    members: u32,
    taken: u64,
    given: u64,
}

type Sink<'a> = dyn FnMut(&[u8]) + 'a;

impl Layer {
    fn new(coding: Coding) -> Self {
        Self {
            coding,
            state: State::Sniff,
            held: Vec::new(),
            starts: Vec::new(),
            gzip: false,
            unsure: None,
            members: 0,
            taken: 0,
            given: 0,
        }
    }

    fn feed(&mut self, input: &[u8], limits: &Limits, faults: &mut Faults, sink: &mut Sink<'_>) {
        self.taken += input.len() as u64;
        let mut rest = input;
        while !rest.is_empty() {
            match &mut self.state {
                State::Pass => {
                    self.given += rest.len() as u64;
                    sink(rest);
                    return;
                }
                State::Done => return,
                State::Trailer(left) => {
                    let skip = rest.len().min(usize::from(*left));
                    *left -= u8::try_from(skip).unwrap_or(*left);
                    rest = rest.get(skip..).unwrap_or_default();
                    if *left == 0 {
                        self.state = State::Sniff;
                        self.members += 1;
                    }
                }
                State::Sniff => {
                    // LZMA is decoded whole: its crate gives nothing before the end anyway.
                    let lzma = self.coding == Coding::Lzma;
                    let room =
                        if lzma { LZMA_LIMIT.saturating_sub(self.held.len()) } else { rest.len() };
                    let (taken, after) = rest.split_at(rest.len().min(room));
                    self.held.extend_from_slice(taken);
                    rest = after;
                    if !lzma {
                        self.sniff(false, limits, faults, sink);
                    } else if self.held.len() >= LZMA_LIMIT {
                        self.unpack_lzma(limits, faults, sink);
                    }
                }
                State::Inflate(_) | State::Brotli(_) => {
                    // Held as long as something else may be tried, passing it on at the last.
                    if !self.held.is_empty() {
                        self.held.extend_from_slice(rest);
                        if self.held.len() > HELD_LIMIT {
                            self.settle(sink);
                        }
                    }
                    self.inflate(rest, limits, faults, sink);
                    return;
                }
            }
        }
    }

    /// Decides what it is, if what is held suffices.
    fn sniff(&mut self, last: bool, limits: &Limits, faults: &mut Faults, sink: &mut Sink<'_>) {
        if self.coding == Coding::Brotli {
            // Nothing tells what is brotli, so what is none shows when it is decoded.
            self.state = State::Brotli(Brotli::new());
            let held = self.held.clone();
            self.inflate(&held, limits, faults, sink);
            return;
        }
        let (Some(&first), second) = (self.held.first(), self.held.get(1).copied()) else { return };
        let Some(second) = second.or(last.then_some(0)) else { return };
        if self.members > MEMBERS_LIMIT || (self.members > 0 && (first, second) != (0x1f, 0x8b)) {
            self.held = Vec::new();
            self.state = State::Done;
            return;
        }
        self.starts.clear();
        self.gzip = (first, second) == (0x1f, 0x8b);
        if self.gzip {
            match gzip_header_len(&self.held) {
                Some(len) => self.starts.extend([10, len]),
                None if last || self.held.len() > HELD_LIMIT => self.starts.push(10),
                None => return,
            }
            self.starts.dedup();
        } else {
            let zlib = first & 0x0f == 8 && first >> 4 <= 7;
            if zlib && (u16::from(first) << 8 | u16::from(second)).is_multiple_of(31) {
                self.starts.extend([0, 2]);
            } else if zlib {
                self.starts.extend([2, 0]);
            } else {
                self.starts.push(0);
            }
        }
        self.next_start(limits, faults, sink);
    }

    /// It is what it is taken for: nothing else is tried any more.
    fn settle(&mut self, sink: &mut Sink<'_>) {
        (self.starts, self.held) = (Vec::new(), Vec::new());
        if let Some(unsure) = self.unsure.take() {
            sink(&unsure);
        }
    }

    /// Tries the next place where compressed data may begin, and after the last takes it as it is.
    fn next_start(&mut self, limits: &Limits, faults: &mut Faults, sink: &mut Sink<'_>) {
        (self.unsure, self.given) = (None, 0);
        let Some(start) = self.starts.pop() else {
            faults.failed = true;
            self.state = State::Pass;
            let held = std::mem::take(&mut self.held);
            self.given += held.len() as u64;
            sink(&held);
            return;
        };
        self.state = State::Inflate(Box::new(Inflater::new()));
        self.unsure = (!self.gzip && start == 0).then(Vec::new);
        // At the last start what is held is still needed, to be passed on.
        let held = std::mem::take(&mut self.held);
        let from = held.get(start..).unwrap_or_default().to_vec();
        self.held = held;
        self.inflate(&from, limits, faults, sink);
    }

    /// Whether more came out than can be of use, or than can be honest.
    fn is_too_much(&self, limits: &Limits, faults: &mut Faults) -> bool {
        faults.bomb |= self.given > limits.bomb_limit
            && self.given > limits.bomb_ratio.saturating_mul(self.taken);
        faults.cut |= self.given > limits.output_limit;
        faults.bomb || self.given > limits.output_limit
    }

    fn inflate(&mut self, input: &[u8], limits: &Limits, faults: &mut Faults, sink: &mut Sink<'_>) {
        let mut rest = input;
        let mut piece = vec![0; WINDOW_BYTES];
        loop {
            let (taken, given, progress) = match &mut self.state {
                State::Inflate(inflater) => inflater.step(rest, &mut piece),
                State::Brotli(brotli) => brotli.step(rest, &mut piece),
                _ => return,
            };
            rest = rest.get(taken..).unwrap_or_default();
            if given > 0 {
                self.given += given as u64;
                let out = piece.get(..given).unwrap_or_default();
                match &mut self.unsure {
                    Some(unsure) if unsure.len() + given < CONVINCING_BYTES => {
                        unsure.extend_from_slice(out);
                    }
                    _ => {
                        self.settle(sink);
                        sink(out);
                    }
                }
            }
            if self.is_too_much(limits, faults) {
                self.state = State::Done;
                return;
            }
            match progress {
                Progress::End => {
                    self.settle(sink);
                    self.state = if self.gzip { State::Trailer(8) } else { State::Done };
                    let after = rest.to_vec();
                    self.taken = self.taken.saturating_sub(after.len() as u64);
                    self.feed(&after, limits, faults, sink);
                    return;
                }
                Progress::Going if given > 0 && (given == piece.len() || !rest.is_empty()) => {}
                Progress::Going if taken > 0 && !rest.is_empty() => {}
                Progress::Going => return,
                Progress::Failed if self.given == 0 || self.unsure.is_some() => {
                    self.next_start(limits, faults, sink);
                    return;
                }
                Progress::Failed => {
                    faults.failed = true;
                    self.state = State::Done;
                    return;
                }
            }
        }
    }

    fn unpack_lzma(&mut self, limits: &Limits, faults: &mut Faults, sink: &mut Sink<'_>) {
        let options = Options {
            unpacked_size: UnpackedSize::ReadFromHeader,
            memlimit: Some(limits.lzma_memory_bytes),
            allow_incomplete: true,
        };
        let held = std::mem::take(&mut self.held);
        let mut stream = Stream::new_with_options(&options, Vec::new());
        self.state = State::Done;
        let mut failed = false;
        for piece in held.chunks(LZMA_PIECE_BYTES) {
            let written = stream.write_all(piece);
            if let Some(output) = stream.get_output_mut() {
                let output = std::mem::take(output);
                self.given += output.len() as u64;
                sink(&output);
            }
            if let Err(error) = written {
                faults.memory |= error.to_string().contains("memory limit");
                failed = true;
            }
            if failed || self.is_too_much(limits, faults) {
                break;
            }
        }
        let output = stream.finish().unwrap_or_default();
        self.given += output.len() as u64;
        sink(&output);
        if self.given == 0 {
            failed = true;
            self.state = State::Pass;
            sink(&held);
        }
        faults.failed |= failed;
    }

    fn finish(&mut self, limits: &Limits, faults: &mut Faults, sink: &mut Sink<'_>) {
        if matches!(self.state, State::Sniff) && !self.held.is_empty() {
            match self.coding {
                Coding::Lzma => self.unpack_lzma(limits, faults, sink),
                _ => self.sniff(true, limits, faults, sink),
            }
        }
        // Nothing came out, so nothing else can be what it was.
        let begun = matches!(self.state, State::Inflate(_) | State::Brotli(_));
        if begun && self.given == 0 && !self.held.is_empty() {
            self.starts.clear();
            self.next_start(limits, faults, sink);
        }
        self.settle(sink);
    }
}

/// How long a gzip header is; `None` if there is more of it.
fn gzip_header_len(bytes: &[u8]) -> Option<usize> {
    let &flags = bytes.get(3)?;
    let mut len = 10;
    if flags & 4 != 0 {
        let extra = [*bytes.get(len)?, *bytes.get(len + 1)?];
        len += 2 + usize::from(u16::from_le_bytes(extra));
    }
    for text in [8, 16] {
        if flags & text != 0 {
            len += bytes.get(len..)?.iter().position(|&b| b == 0)? + 1;
        }
    }
    if flags & 2 != 0 {
        len += 2;
    }
    (bytes.len() >= len).then_some(len)
}

/// What bounds decoding.
#[derive(Clone, Copy, Debug)]
pub(in super::super) struct Limits {
    /// More than this, and more than `bomb_ratio` times what was sent, is a bomb.
    pub(in super::super) bomb_limit: u64,
    pub(in super::super) bomb_ratio: u64,
    /// What comes out at most.
    pub(in super::super) output_limit: u64,
    pub(in super::super) lzma_memory_bytes: usize,
}

/// Undoes the codings of one body.
#[derive(Debug)]
pub(in super::super) struct Decoder {
    layers: Vec<Layer>,
    limits: Limits,
    faults: Faults,
}

impl Decoder {
    /// Of codings in the order in which they were applied.
    pub(in super::super) fn new(codings: &[Coding], limits: Limits) -> Self {
        Self {
            layers: codings.iter().rev().copied().map(Layer::new).collect(),
            limits,
            faults: Faults::default(),
        }
    }

    pub(in super::super) fn memory_bytes(&self) -> usize {
        self.layers
            .iter()
            .map(|layer| {
                let state = match &layer.state {
                    State::Inflate(_) => 43 << 10,
                    State::Brotli(_) => Brotli::memory_bytes(layer.given),
                    _ => 0,
                };
                size_of::<Layer>() + layer.held.capacity() + state
            })
            .sum()
    }

    pub(in super::super) fn faults(&self) -> Faults {
        self.faults
    }

    /// Gives the next bytes to `sink`, decoded.
    pub(in super::super) fn feed(&mut self, input: &[u8], sink: &mut Sink<'_>) {
        if input.is_empty() {
            return;
        }
        feed_layers(&mut self.layers, input, &self.limits, &mut self.faults, sink);
    }

    /// There is no more; gives what was held back to `sink`.
    pub(in super::super) fn finish(&mut self, sink: &mut Sink<'_>) {
        let mut layers = self.layers.as_mut_slice();
        while let Some((first, rest)) = layers.split_first_mut() {
            let mut output = Vec::new();
            first.finish(&self.limits, &mut self.faults, &mut |bytes: &[u8]| {
                output.extend_from_slice(bytes)
            });
            feed_layers(rest, &output, &self.limits, &mut self.faults, sink);
            layers = rest;
        }
    }
}

fn feed_layers(
    layers: &mut [Layer],
    input: &[u8],
    limits: &Limits,
    faults: &mut Faults,
    sink: &mut Sink<'_>,
) {
    let Some((first, rest)) = layers.split_first_mut() else {
        sink(input);
        return;
    };
    let mut deeper = Faults::default();
    first.feed(input, limits, faults, &mut |bytes: &[u8]| {
        feed_layers(rest, bytes, limits, &mut deeper, sink)
    });
    faults.failed |= deeper.failed;
    faults.memory |= deeper.memory;
    faults.bomb |= deeper.bomb;
    faults.cut |= deeper.cut;
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::Compression;
    use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};

    use super::*;

    const LIMITS: Limits = Limits {
        bomb_limit: 1 << 20,
        bomb_ratio: 2048,
        output_limit: OUTPUT_LIMIT,
        lzma_memory_bytes: 1 << 20,
    };
    const TEXT: &[u8] = b"X5O!P%@AP: not the test file, but a text that ends with EICAR-STANDARD";

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    fn deflate(text: &[u8]) -> Vec<u8> {
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    fn zlib(text: &[u8]) -> Vec<u8> {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    /// What comes out, the same for every size of pieces.
    fn undone(claims: &[Coding], body: &[u8]) -> (Vec<u8>, Faults) {
        let run = |piece: usize| {
            let mut decoder = Decoder::new(claims, LIMITS);
            let mut out = Vec::new();
            for part in body.chunks(piece) {
                decoder.feed(part, &mut |bytes: &[u8]| out.extend_from_slice(bytes));
            }
            decoder.finish(&mut |bytes: &[u8]| out.extend_from_slice(bytes));
            (out, decoder.faults())
        };
        let whole = run(body.len().max(1));
        for piece in [1, 2, 3, 7, 11] {
            assert_eq!(run(piece), whole, "{claims:?} in pieces of {piece}");
        }
        whole
    }

    #[test]
    fn whatever_it_is_called() {
        for claim in [Coding::Gzip, Coding::Deflate] {
            for body in [gzip(TEXT), deflate(TEXT), zlib(TEXT), TEXT.to_vec()] {
                assert_eq!(undone(&[claim], &body).0, TEXT, "{claim:?} {body:02x?}");
            }
        }
    }

    #[test]
    fn text_that_begins_like_deflate() {
        // As fixed codes, these give bytes before they refer to what never was.
        for text in [&b"style=\"width:1px;height:1px\""[..], b"so it is, and so on. "] {
            let page = text.repeat(30);
            for claim in [Coding::Gzip, Coding::Deflate] {
                assert_eq!(undone(&[claim], &page).0, page, "{}", text.escape_ascii());
            }
        }
    }

    #[test]
    fn several_layers_and_layers_that_are_not_there() {
        use Coding::{Deflate, Gzip};
        assert_eq!(undone(&[Gzip, Deflate], &deflate(&gzip(TEXT))).0, TEXT);
        assert_eq!(undone(&[Gzip, Deflate], &gzip(TEXT)).0, TEXT);
        assert_eq!(undone(&[Deflate, Gzip], TEXT).0, TEXT);
        assert_eq!(undone(&[Gzip, Gzip, Gzip], &gzip(&zlib(&deflate(TEXT)))).0, TEXT);
    }

    #[test]
    fn gzip_with_odd_header_and_end() {
        let plain = gzip(TEXT);
        for (flags, extra) in [
            (1, &b""[..]),
            (2, b"\0\0"),
            (4, b"\x05\0Ap\x01\0\0"),
            (8, b"name\0"),
            (16, b"comment\0"),
            (28, b"\0\0name\0comment\0"),
            (0x20, b""),
            (0x80, b""),
            (8, b""),
        ] {
            let mut body = plain.clone();
            body[3] = flags;
            body.splice(10..10, extra.iter().copied());
            assert_eq!(undone(&[Coding::Gzip], &body).0, TEXT, "{flags}");
        }
        let mut odd_zlib = zlib(TEXT);
        odd_zlib[1] ^= 1;
        assert_eq!(undone(&[Coding::Deflate], &odd_zlib).0, TEXT);
        let mut wrong = plain.clone();
        *wrong.last_mut().unwrap() ^= 0xff;
        assert_eq!(undone(&[Coding::Gzip], &wrong).0, TEXT);
        for cut in 1..=8 {
            assert_eq!(undone(&[Coding::Gzip], &plain[..plain.len() - cut]).0, TEXT);
        }
        let two = [gzip(b"one "), gzip(b"two"), b"junk".to_vec()].concat();
        assert_eq!(undone(&[Coding::Gzip], &two).0, b"one two");
    }

    #[test]
    fn corrupt_data_gives_what_came_before() {
        let text: Vec<u8> =
            (0..20_000u32).flat_map(|n| n.wrapping_mul(2_654_435_761).to_be_bytes()).collect();
        let mut body = deflate(&text);
        let middle = body.len() / 2;
        body[middle..middle + 64].fill(0xff);
        let (out, _) = undone(&[Coding::Deflate], &body);
        assert!(text.starts_with(&out[..1000]));
    }

    #[test]
    fn bombs_end() {
        let mut body = vec![0; 64 << 20];
        for _ in 0..3 {
            body = gzip(&body);
        }
        let (out, _) = undone(&[Coding::Gzip; 3], &body);
        assert!(out.len() <= 9 << 20);
    }

    #[test]
    fn claims_are_read_as_browsers_do() {
        use Coding::{Deflate, Gzip, Lzma};
        assert_eq!(codings(b"gzip", 2, true), (vec![Gzip], false, false));
        assert_eq!(codings(b"gzip x", 2, true), (vec![Gzip], true, false));
        assert_eq!(codings(b",\x0bdeflate;", 2, true), (vec![Deflate], true, false));
        assert_eq!(
            codings(b"identity, gzip, identity, gzip, gzip", 2, true),
            (vec![Gzip, Gzip], false, true)
        );
        assert_eq!(codings(b"lzma, lzma", 2, true), (vec![Lzma], false, false));
        assert_eq!(codings(b"gz\0ip", 2, true).0, vec![Gzip]);
    }

    /// "hello brotli " twenty times, by the reference encoder.
    const BROTLI: &[u8] = b"\x1b\x03\x01\xf8\x1d\xa9\x53\x9f\xbb\x70\x2d\x56\x86\x26\x27\x41\xd8\xe8\x92\x2d\xed\x2d\x06\x8c\x06\x8e\x65\xc6\x2f";

    #[test]
    fn brotli_and_what_is_none() {
        assert_eq!(undone(&[Coding::Brotli], BROTLI).0, b"hello brotli ".repeat(20));
        let (out, faults) = undone(&[Coding::Brotli], TEXT);
        assert!(out == TEXT && faults.failed);
        assert_eq!(codings_of_2(b"gzip , BR,deflate"), [Coding::Gzip, Coding::Brotli]);
        assert!(codings_of_2(b"identity, lzma").is_empty());
    }

    proptest::proptest! {
        #[test]
        fn any_bytes(body in proptest::collection::vec(proptest::num::u8::ANY, 0..300), start in 0usize..4) {
            let prefix: &[u8] = [&b""[..], b"\x1f\x8b\x08\x1f", b"\x78\x9c", b"\x5d\0\0\x80\0"][start];
            let body = [prefix, &body].concat();
            for claim in [Coding::Gzip, Coding::Deflate, Coding::Lzma, Coding::Brotli] {
                undone(&[claim, Coding::Gzip], &body);
            }
        }
    }
}
