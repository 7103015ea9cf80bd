//! What is looked for in bytes: buffers, transforms, and ordered matches.

use std::sync::Arc;

use super::{ByteExtract, ByteJump, ByteMath, ByteTest, Compare};
use crate::app::{Buffer, Heading};

/// A list of matches that must all hold, in order, in one buffer.
///
/// Matches are relative to the end of the one before. When a later one fails an earlier one may be found
/// again further on. Naming a [multiple](Buffer::is_multiple) buffer again begins a new inspection, which
/// may hold in another of its instances; naming any other again goes on with the same.
#[derive(Clone, Debug, PartialEq)]
pub struct Inspection {
    pub source: Source,
    /// Only what goes this way: `file.data:to_client` in rules of transactions (`=>`).
    pub heading: Option<Heading>,
    /// In order, before anything is looked for.
    pub transforms: Vec<Transform>,
    pub matches: Vec<Match>,
}

/// Where bytes come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Source {
    /// The packet's payload, or the stream's where the rule is of a stream.
    Payload,
    /// A packet's header.
    Packet(PacketBuffer),
    /// A part of a transaction.
    App(Buffer),
    /// What the [`Match::Base64Decode`] of another inspection of the rule made.
    Base64Data,
}

/// Bytes of a packet's headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PacketBuffer {
    /// `ipv4.hdr`, with options.
    Ipv4Header,
    /// `ipv6.hdr`, with extension headers.
    Ipv6Header,
    /// `tcp.hdr`, with options.
    TcpHeader,
    /// `udp.hdr`.
    UdpHeader,
    /// `icmpv4.hdr`, the whole up to the payload.
    Icmpv4Header,
    /// `icmpv6.hdr`.
    Icmpv6Header,
    /// `ip.src`: 4 or 16 bytes.
    IpSource,
    /// `ip.dst`: 4 or 16 bytes.
    IpDestination,
}

/// A variable that `byte_extract` or `byte_math` sets: index into [`Rule::variables`](super::Rule).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct VarId(pub u8);

/// A number that a rule says, or that it found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Value<T> {
    Constant(T),
    Variable(VarId),
}

/// One thing to be found.
#[derive(Clone, Debug, PartialEq)]
pub enum Match {
    Content(Content),
    Pcre(Pcre),
    ByteTest(ByteTest),
    ByteJump(ByteJump),
    ByteExtract(ByteExtract),
    ByteMath(ByteMath),
    IsDataAt(IsDataAt),
    /// `bsize`, `urilen`: of the whole buffer, once it is complete.
    Size(Compare<u64>),
    Base64Decode(Base64Decode),
    Entropy(Entropy),
    Absent(Absent),
    Dataset(Arc<Dataset>),
}

/// `content`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Content {
    /// 1 to 65,535 bytes. Not lowered where `nocase`.
    pub bytes: Box<[u8]>,
    pub nocase: bool,
    pub negated: bool,
    /// From the buffer's beginning.
    pub offset: Option<Value<u16>>,
    /// How many bytes from `offset` (0 if none) on hold the whole content.
    pub depth: Option<Value<u16>>,
    /// From the end of the match before. A content with it or `within` is relative.
    pub distance: Option<Value<i32>>,
    /// How many bytes from there on hold the whole content.
    pub within: Option<Value<i32>>,
    /// `offset` 0 and `depth` its length are set as well.
    pub startswith: bool,
    pub endswith: bool,
    pub rawbytes: bool,
    pub fast_pattern: Option<FastPattern>,
    /// A relative match follows it in the same list.
    pub relative_next: bool,
}

impl Content {
    /// Whether it is looked for from the end of the match before.
    #[must_use]
    pub const fn is_relative(&self) -> bool {
        self.distance.is_some() || self.within.is_some()
    }
}

/// Which content is to be searched for first in all traffic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FastPattern {
    Whole,
    /// Nothing else need be checked of it.
    Only,
    /// A part of it.
    Part {
        offset: u16,
        len: u16,
    },
}

/// `pcre`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pcre {
    /// Between the slashes; bytes that are not ASCII are written `\xHH`.
    pub pattern: Box<str>,
    pub flags: PcreFlags,
    pub negated: bool,
    /// `R`: from the end of the match before.
    pub relative: bool,
    /// A relative match follows it in the same list.
    pub relative_next: bool,
    /// What the groups are saved as, from group 1 on.
    pub captures: Vec<Capture>,
}

/// Flags of a regular expression that do not select a buffer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct PcreFlags {
    /// `i`
    pub caseless: bool,
    /// `s`
    pub dot_all: bool,
    /// `m`
    pub multi_line: bool,
    /// `x`
    pub extended: bool,
    /// `A`
    pub anchored: bool,
    /// `E`
    pub dollar_end_only: bool,
    /// `G`
    pub ungreedy: bool,
    /// `O`: without the match limit of the configuration.
    pub no_limit: bool,
    /// `B`
    pub rawbytes: bool,
}

/// A group that is saved.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Capture {
    pub kind: CaptureKind,
    pub name: Box<str>,
}

/// Where a group is saved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CaptureKind {
    /// `flow:name`
    Flow,
    /// `pkt:name`
    Packet,
    /// `alert:name`
    Alert,
}

/// `isdataat`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct IsDataAt {
    pub at: Value<u16>,
    pub relative: bool,
    pub rawbytes: bool,
    pub negated: bool,
}

/// `base64_decode`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Base64Decode {
    /// At most so many encoded bytes; 0 for all.
    pub bytes: u32,
    pub offset: u32,
    pub relative: bool,
}

/// `entropy`: bits per byte of a part of the buffer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Entropy {
    /// 0 for up to the end.
    pub bytes: u32,
    pub offset: u32,
    pub compare: EntropyCompare,
}

/// How an entropy is compared.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum EntropyCompare {
    Equal(f64),
    NotEqual(f64),
    Less(f64),
    LessOrEqual(f64),
    Greater(f64),
    GreaterOrEqual(f64),
    Between(f64, f64),
    NotBetween(f64, f64),
}

/// `absent`: the buffer is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Absent {
    /// Where it is there after all, the other matches decide.
    pub or_else: bool,
}

/// `dataset` and `datarep`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Dataset {
    pub command: DatasetCommand,
    pub name: Box<str>,
    /// `None` where another rule says it.
    pub kind: Option<DatasetKind>,
    /// Files as written: `load`, `save`, `state`.
    pub load: Option<Box<str>>,
    pub save: Option<Box<str>>,
    pub memcap: Option<u64>,
    pub hashsize: Option<u32>,
}

/// What is done with the set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DatasetCommand {
    IsSet,
    IsNotSet,
    Set,
    Unset,
    /// `datarep`: the number that is kept with the value.
    Reputation(Compare<u16>),
}

/// What is in the set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DatasetKind {
    String,
    Md5,
    Sha256,
    Ipv4,
    Ip,
}

/// What is done to a buffer before it is looked at.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Transform {
    /// A dot in front.
    DotPrefix,
    ToLowercase,
    ToUppercase,
    UrlDecode,
    StripWhitespace,
    CompressWhitespace,
    /// `strip_pseudo_headers`: lines that begin with a colon go.
    StripPseudoHeaders,
    /// `header_lowercase`: names, not values.
    HeaderLowercase,
    /// With this key over and over.
    Xor(Box<[u8]>),
    Md5,
    Sha1,
    Sha256,
    FromBase64 {
        bytes: Option<Value<u32>>,
        offset: Option<Value<i32>>,
        mode: Base64Mode,
    },
    /// `pcrexform`: the first group of this expression.
    Pcre(Box<str>),
    /// `domain`: the registered domain under a public suffix.
    Domain,
    /// `tld`: the public suffix.
    Tld,
    /// `gunzip`, at most so many bytes of output.
    Gunzip {
        max_bytes: u32,
    },
    /// `zlib_deflate`, at most so many bytes of output.
    ZlibDeflate {
        max_bytes: u32,
    },
}

/// How strict base64 is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Base64Mode {
    /// Spaces are skipped, other bytes end it.
    #[default]
    Rfc4648,
    /// Whatever is not of the alphabet is skipped.
    Rfc2045,
    Strict,
}
