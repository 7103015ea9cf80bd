//! Sticky buffers, and the older modifiers that move a content to a buffer.

use super::super::ast::{Direction, PacketBuffer, Source};
use super::super::builder::Builder;
use super::super::problem::{Result, fail};
use super::{Keyword, Wants, nothing};
use crate::app::{Buffer, Heading};

pub(super) const KEYWORDS: &[Keyword] = &[
    nothing("pkt_data", |b, _| {
        b.close()?;
        Ok(())
    }),
    nothing("ipv4.hdr", |b, _| b.open(Source::Packet(PacketBuffer::Ipv4Header))),
    nothing("ipv6.hdr", |b, _| b.open(Source::Packet(PacketBuffer::Ipv6Header))),
    nothing("tcp.hdr", |b, _| b.open(Source::Packet(PacketBuffer::TcpHeader))),
    nothing("udp.hdr", |b, _| b.open(Source::Packet(PacketBuffer::UdpHeader))),
    nothing("icmpv4.hdr", |b, _| b.open(Source::Packet(PacketBuffer::Icmpv4Header))),
    nothing("icmpv6.hdr", |b, _| b.open(Source::Packet(PacketBuffer::Icmpv6Header))),
    nothing("ip.src", |b, _| b.open(Source::Packet(PacketBuffer::IpSource))),
    nothing("ip.dst", |b, _| b.open(Source::Packet(PacketBuffer::IpDestination))),
    nothing("http_uri", |b, _| moved(b, Buffer::HttpUri)),
    nothing("http_raw_uri", |b, _| moved(b, Buffer::HttpUriRaw)),
    nothing("http_method", |b, _| moved(b, Buffer::HttpMethod)),
    nothing("http_header", |b, _| moved(b, Buffer::HttpHeader)),
    nothing("http_raw_header", |b, _| moved(b, Buffer::HttpHeaderRaw)),
    nothing("http_cookie", |b, _| moved(b, Buffer::HttpCookie)),
    nothing("http_host", |b, _| moved(b, Buffer::HttpHost)),
    nothing("http_raw_host", |b, _| moved(b, Buffer::HttpHostRaw)),
    nothing("http_user_agent", |b, _| moved(b, Buffer::HttpUserAgent)),
    nothing("http_stat_code", |b, _| moved(b, Buffer::HttpStatCode)),
    nothing("http_stat_msg", |b, _| moved(b, Buffer::HttpStatMsg)),
    nothing("http_client_body", |b, _| moved(b, Buffer::HttpRequestBody)),
    nothing("http_server_body", |b, _| moved(b, Buffer::HttpResponseBody)),
    nothing("http_protocol", |b, _| open(b, Buffer::HttpProtocol)),
    nothing("http_request_line", |b, _| open(b, Buffer::HttpRequestLine)),
    nothing("http_response_line", |b, _| open(b, Buffer::HttpResponseLine)),
    nothing("http_referer", |b, _| open(b, Buffer::HttpReferer)),
];

fn moved(b: &mut Builder<'_>, buffer: Buffer) -> Result<()> {
    b.move_content(Source::App(buffer))
}

fn open(b: &mut Builder<'_>, buffer: Buffer) -> Result<()> {
    b.open(Source::App(buffer))
}

/// `file.data:to_client`, in rules that look at both headings of a transaction.
fn one_way(b: &mut Builder<'_>, buffer: Buffer, value: &str) -> Result<()> {
    let heading = match value {
        "to_server" => Heading::ToServer,
        "to_client" => Heading::ToClient,
        other => fail!("{other:?} must be to_server, to_client or nothing"),
    };
    if b.rule.header.direction != Direction::Transaction {
        fail!("a heading may only be named in rules of transactions (=>)");
    }
    if buffer.headings() != (true, true) {
        fail!("it is there in one heading only, which need not be named");
    }
    b.open_heading(Source::App(buffer), Some(heading))
}

/// Those names in the table of buffers that are keywords of another kind.
const OTHERS: [&str; 7] = [
    "filename",
    "tls.subject",
    "tls.issuerdn",
    "ftpdata_command",
    "http_host",
    "http_cookie",
    "http_uri",
];

/// The keywords of all buffers in the table.
pub(super) fn sticky() -> impl Iterator<Item = Keyword> {
    let names = Buffer::ALL.iter().flat_map(|buffer| {
        std::iter::once(buffer.keyword()).chain(buffer.aliases().iter().copied())
    });
    names.filter(|name| !OTHERS.contains(name)).map(|name| Keyword {
        name,
        wants: Wants::Perhaps,
        read: |b, v| match Buffer::from_keyword(b.keyword) {
            Some(buffer) if v.is_empty() => open(b, buffer),
            Some(buffer) => one_way(b, buffer, v),
            None => fail!("there is no such buffer"),
        },
    })
}
