//! One request with its response, and what rules see of them.

use std::cell::OnceCell;

use super::super::{Buffer, BufferView, COMPLETE, File, Heading, Transaction, Upgraded};
use super::coding::Decoder;
use super::config::HttpConfig;
use super::headers::Headers;
use super::line::Version;
use super::multipart::Multipart;
use super::range::ContentRange;
use super::uri::Uri;

/// The URI of a request that was not seen.
const UNSEEN: &[u8] = b"/libhtp::request_uri_not_seen";

/// The longest file name that is kept.
const FILE_NAME_LIMIT: usize = 4096;

/// The request or status line is there.
pub const LINE: u8 = 1;
/// All header fields are there.
pub const HEADERS: u8 = 2;
/// There is something of a body.
pub const BODY: u8 = 3;
/// The body is there, fields behind it may follow.
pub const TRAILERS: u8 = 4;

/// What request and response have in common.
#[derive(Debug, Default)]
pub(super) struct Message {
    pub(super) progress: u8,
    pub(super) line: Vec<u8>,
    pub(super) protocol: Option<Vec<u8>>,
    pub(super) version: Version,
    pub(super) headers: Headers,
    /// The header as sent, with the empty line.
    pub(super) raw_headers: Vec<u8>,
    /// Bytes of the body as sent, with what chunks are framed in.
    pub(super) wire_len: u64,
    /// Views that are made when first asked for.
    joined: OnceCell<Vec<u8>>,
    names: OnceCell<Vec<u8>>,
    start: OnceCell<Vec<u8>>,
}

impl Message {
    pub(super) fn reach(&mut self, stage: u8) {
        self.progress = self.progress.max(stage);
    }

    /// Fields were added: views are to be made again.
    pub(super) fn forget_views(&mut self) {
        self.joined = OnceCell::new();
        self.names = OnceCell::new();
        self.start = OnceCell::new();
    }

    fn start(&self) -> &[u8] {
        self.start.get_or_init(|| {
            [&self.line, b"\r\n".as_slice(), &self.headers.joined(b""), b"\r\n"].concat()
        })
    }

    fn memory_bytes(&self) -> usize {
        let view = |cell: &OnceCell<Vec<u8>>| cell.get().map_or(0, Vec::capacity);
        self.line.capacity()
            + self.headers.memory_bytes()
            + self.raw_headers.capacity()
            + view(&self.joined)
            + view(&self.names)
            + view(&self.start)
    }
}

/// Where a message's body is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Kept {
    /// There is none yet.
    #[default]
    Nowhere,
    /// With the transaction: no file, or many.
    Apart,
    /// It is the file at this place.
    File(usize),
}

/// A request with its response.
#[derive(Debug, Default)]
pub struct HttpTransaction {
    pub(super) request: Message,
    pub(super) response: Message,
    pub(super) method: Vec<u8>,
    pub(super) raw_uri: Option<Vec<u8>>,
    pub(super) uri: Uri,
    /// The host's name in lower case, and the port if one was named.
    pub(super) host: Option<Vec<u8>>,
    pub(super) port: Option<u16>,
    /// The request has no protocol: what answers it may have no header.
    pub(super) is_09: bool,
    pub(super) status: Option<Vec<u8>>,
    pub(super) status_number: Option<u16>,
    pub(super) status_message: Option<Vec<u8>>,
    pub(super) continued: bool,
    pub(super) events: Vec<&'static str>,
    pub(super) files: Vec<File>,
    pub(super) request_kept: Kept,
    pub(super) response_kept: Kept,
    /// A request body that is no file, or several.
    request_body: Vec<u8>,
    pub(super) multipart: Option<Box<Multipart>>,
    pub(super) decoder: Option<Box<Decoder>>,
    /// Something of the body was lost: what follows is not next to what is kept.
    broken: [bool; 2],
    /// No more of the body is kept.
    full: [bool; 2],
    /// All of the response is there that was announced, though more may come.
    response_announced: bool,
}

impl HttpTransaction {
    /// For a response whose request was not seen.
    pub(super) fn unseen() -> Self {
        let mut transaction =
            Self { raw_uri: Some(UNSEEN.to_vec()), uri: Uri::of(UNSEEN, false), ..Self::default() };
        transaction.request.progress = COMPLETE;
        transaction.event("http.unable_to_match_response_to_request");
        transaction
    }

    pub(super) fn event(&mut self, event: &'static str) {
        if !self.events.contains(&event) {
            self.events.push(event);
        }
    }

    pub(super) fn message(&self, heading: Heading) -> &Message {
        match heading {
            Heading::ToServer => &self.request,
            Heading::ToClient => &self.response,
        }
    }

    pub(super) fn message_mut(&mut self, heading: Heading) -> &mut Message {
        match heading {
            Heading::ToServer => &mut self.request,
            Heading::ToClient => &mut self.response,
        }
    }

    /// The request, for what goes on with it in HTTP/2.
    pub(super) fn upgraded(&self) -> Upgraded {
        let fields = (0..).map_while(|index| self.request.headers.at(index));
        Upgraded {
            method: self.method.clone(),
            uri: self.raw_uri.clone().unwrap_or_default(),
            fields: fields.map(|f| (f.name().to_vec(), f.value().to_vec())).collect(),
        }
    }

    pub(super) fn is_method(&self, method: &[u8]) -> bool {
        self.method == method
    }

    /// A name for a body: what Content-Disposition says, else the path.
    fn file_name(&mut self, heading: Heading) -> Vec<u8> {
        let disposition = self.message(heading).headers.get(b"content-disposition");
        let named = disposition.and_then(|value| super::bytes::parameter(value, b"filename"));
        let mut name =
            named.map_or_else(|| super::bestfit::narrow(self.uri.path()), <[u8]>::to_vec);
        if name.len() > FILE_NAME_LIMIT {
            name.truncate(FILE_NAME_LIMIT);
            self.event("http.file_name_too_long");
        }
        name
    }

    /// What part of the whole the response's body is, where it says so.
    fn file_range(&mut self) -> Option<(u64, u64)> {
        let range = ContentRange::of(self.response.headers.get(b"content-range")?);
        if !range.as_ref().is_some_and(ContentRange::is_possible) {
            self.event("http.range_invalid");
        }
        range?.part()
    }

    /// The next bytes of the request's body, out of their chunks.
    pub(super) fn request_body(&mut self, bytes: &[u8], config: &HttpConfig) {
        if bytes.is_empty() {
            return;
        }
        self.request.reach(BODY);
        if self.request_kept == Kept::Nowhere {
            if self.is_method(b"POST") {
                let content_type = self.request.headers.get(b"content-type");
                self.multipart = content_type.and_then(Multipart::of).map(Box::new);
            }
            self.request_kept = if self.multipart.is_none()
                && (self.is_method(b"POST") || self.is_method(b"PUT"))
            {
                let name = self.file_name(Heading::ToServer);
                self.files.push(File::open(name, true));
                Kept::File(self.files.len() - 1)
            } else {
                Kept::Apart
            };
        }
        let limit = config.request_body_limit;
        match self.request_kept {
            Kept::File(index) => self.append_file(index, bytes, limit, Heading::ToServer),
            _ => {
                let room = limit.saturating_sub(self.request_body.len());
                let part = bytes.get(..room).unwrap_or(bytes);
                let full = &mut self.full[Heading::ToServer.index()];
                *full |= part.len() < bytes.len();
                if !self.broken[Heading::ToServer.index()] {
                    self.request_body.extend_from_slice(part);
                }
                if let Some(mut multipart) = self.multipart.take() {
                    let events = &mut self.events;
                    multipart.feed(part, &mut self.files, limit, &mut |event| {
                        if !events.contains(&event) {
                            events.push(event);
                        }
                    });
                    self.multipart = Some(multipart);
                }
            }
        }
    }

    /// The next bytes of the response's body, out of their chunks, still compressed.
    pub(super) fn response_body(&mut self, bytes: &[u8], config: &HttpConfig) {
        if bytes.is_empty() {
            return;
        }
        self.response.reach(BODY);
        match self.decoder.take() {
            None => self.response_plain(bytes, config),
            // Nothing that comes now is kept, so nothing needs to be decoded.
            Some(_)
                if self.full[Heading::ToClient.index()]
                    || self.broken[Heading::ToClient.index()] => {}
            Some(mut decoder) => {
                decoder.feed(bytes, &mut |plain: &[u8]| self.response_plain(plain, config));
                self.decoder_events(&decoder);
                self.decoder = Some(decoder);
            }
        }
    }

    fn decoder_events(&mut self, decoder: &Decoder) {
        let faults = decoder.faults();
        for (fault, event) in [
            (faults.failed, "http.gzip_decompression_failed"),
            (faults.memory, "http.lzma_memlimit_reached"),
            (faults.bomb, "http.compression_bomb"),
        ] {
            if fault {
                self.event(event);
            }
        }
    }

    fn response_plain(&mut self, bytes: &[u8], config: &HttpConfig) {
        if bytes.is_empty() {
            return;
        }
        let index = match self.response_kept {
            Kept::File(index) => index,
            _ => {
                let name = self.file_name(Heading::ToClient);
                let range = self.file_range();
                self.files.push(File { range, ..File::open(name, false) });
                self.response_kept = Kept::File(self.files.len() - 1);
                self.files.len() - 1
            }
        };
        self.append_file(index, bytes, config.response_body_limit, Heading::ToClient);
    }

    /// A file ends where the body's limit is, as Suricata's do.
    fn append_file(&mut self, index: usize, bytes: &[u8], limit: usize, heading: Heading) {
        let broken = self.broken[heading.index()];
        let Some(file) = self.files.get_mut(index) else { return };
        let left = (limit as u64).saturating_sub(file.size);
        let left = usize::try_from(left).unwrap_or(usize::MAX);
        let part = bytes.get(..left).unwrap_or(bytes);
        file.reopen();
        if broken {
            file.lose(part.len() as u64);
        } else {
            file.append(part, limit);
        }
        if part.len() < bytes.len() {
            file.truncate();
            self.full[heading.index()] = true;
        }
    }

    /// Bytes of a body that will never come.
    pub(super) fn lose_body(&mut self, heading: Heading, len: u64) {
        self.message_mut(heading).reach(BODY);
        self.broken[heading.index()] = true;
        if heading == Heading::ToServer
            && let Some(multipart) = &mut self.multipart
        {
            multipart.lose(len, &mut self.files);
        }
        let kept =
            if heading == Heading::ToServer { self.request_kept } else { self.response_kept };
        if let Kept::File(index) = kept
            && let Some(file) = self.files.get_mut(index)
        {
            file.lose(len);
        }
    }

    /// The body is there, or as much of it as ever will be.
    pub(super) fn finish_body(&mut self, heading: Heading, whole: bool, config: &HttpConfig) {
        match heading {
            Heading::ToServer => {
                if let Some(mut multipart) = self.multipart.take() {
                    let events = &mut self.events;
                    multipart.finish(&mut self.files, config.request_body_limit, &mut |event| {
                        if !events.contains(&event) {
                            events.push(event);
                        }
                    });
                }
            }
            Heading::ToClient => {
                if let Some(mut decoder) = self.decoder.take() {
                    if !self.full[heading.index()] && !self.broken[heading.index()] {
                        decoder.finish(&mut |plain: &[u8]| self.response_plain(plain, config));
                    }
                    self.decoder_events(&decoder);
                }
            }
        }
        let kept =
            if heading == Heading::ToServer { self.request_kept } else { self.response_kept };
        if let Kept::File(index) = kept
            && let Some(file) = self.files.get_mut(index)
        {
            // A response ends with its connection, whatever it said before.
            if whole || heading == Heading::ToClient { file.close() } else { file.truncate() }
        }
    }

    /// The response is as long as it was to be. Records need not wait for more, and its file is closed until
    /// more comes, unless most of it may still be in the decoder.
    pub(super) fn all_announced(&mut self) {
        let file = match self.response_kept {
            Kept::File(index) => self.files.get_mut(index),
            _ => None,
        };
        if file.is_some() || self.decoder.is_none() {
            file.into_iter().for_each(File::close);
            self.response_announced = true;
        }
    }

    /// A message is over. Nothing changes if it was.
    pub(super) fn complete(&mut self, heading: Heading, whole: bool, config: &HttpConfig) {
        if self.message(heading).progress != COMPLETE {
            self.finish_body(heading, whole, config);
            self.message_mut(heading).progress = COMPLETE;
        }
    }

    fn body(&self, heading: Heading) -> Option<BufferView<'_>> {
        let (kept, message) = match heading {
            Heading::ToServer => (self.request_kept, &self.request),
            Heading::ToClient => (self.response_kept, &self.response),
        };
        let bytes = match kept {
            Kept::Nowhere => return None,
            Kept::Apart => self.request_body.as_slice(),
            Kept::File(index) => self.files.get(index)?.data.as_slice(),
        };
        let complete = message.progress == COMPLETE
            || self.full[heading.index()]
            || self.broken[heading.index()];
        (!bytes.is_empty()).then_some(BufferView { bytes, offset: 0, complete })
    }

    fn files_of(&self, heading: Heading) -> impl Iterator<Item = &File> {
        let to_server = heading == Heading::ToServer;
        self.files.iter().filter(move |file| file.to_server == to_server)
    }

    fn file_data(&self, heading: Heading, index: usize) -> Option<BufferView<'_>> {
        if heading == Heading::ToClient {
            return if index == 0 { self.body(heading) } else { None };
        }
        let file = self.files_of(heading).nth(index)?;
        let complete =
            file.state != super::super::FileState::Open || self.request.progress == COMPLETE;
        Some(BufferView { bytes: &file.data, offset: 0, complete })
    }

    fn raw_host(&self) -> Option<&[u8]> {
        match &self.uri.host {
            Some(host) => Some(&host.raw),
            None => self.request.headers.get(b"host"),
        }
    }

    pub(super) fn memory_bytes(&self) -> usize {
        size_of::<Self>()
            + self.request.memory_bytes()
            + self.response.memory_bytes()
            + self.uri.text.capacity()
            + self.raw_uri.as_ref().map_or(0, Vec::capacity)
            + self.request_body.capacity()
            + self
                .files
                .iter()
                .map(|file| size_of::<File>() + file.name.capacity() + file.data.capacity())
                .sum::<usize>()
            + self.multipart.as_ref().map_or(0, |multipart| multipart.memory_bytes())
            + self.decoder.as_ref().map_or(0, |decoder| decoder.memory_bytes())
    }
}

impl Transaction for HttpTransaction {
    fn is_ready(&self) -> bool {
        let [request, response] = [&self.request, &self.response].map(|m| m.progress == COMPLETE);
        request && (response || self.response_announced)
    }

    fn progress(&self, heading: Heading) -> u8 {
        self.message(heading).progress
    }

    fn stage(&self, buffer: Buffer, _heading: Heading) -> u8 {
        match buffer {
            Buffer::HttpUri
            | Buffer::HttpUriRaw
            | Buffer::HttpMethod
            | Buffer::HttpProtocol
            | Buffer::HttpRequestLine
            | Buffer::HttpResponseLine
            | Buffer::HttpStatCode
            | Buffer::HttpStatMsg => LINE,
            Buffer::HttpRequestBody
            | Buffer::HttpResponseBody
            | Buffer::FileData
            | Buffer::FileName => BODY,
            _ => HEADERS,
        }
    }

    /// What is being read, not what was.
    fn progress_name(&self, heading: Heading) -> Option<&'static str> {
        let request = heading == Heading::ToServer;
        let names = match self.message(heading).progress {
            // What follows 100 Continue is a line again.
            0 | LINE if !request && self.continued && self.response.headers.is_empty() => {
                return Some("response_line");
            }
            0 => ["request_started", "response_started"],
            LINE => ["request_headers", "response_headers"],
            HEADERS | BODY => ["request_body", "response_body"],
            COMPLETE => ["request_complete", "response_complete"],
            _ => ["request_trailer", "response_trailer"],
        };
        Some(names[heading.index()])
    }

    fn buffer(&self, buffer: Buffer, heading: Heading, index: usize) -> Option<BufferView<'_>> {
        let message = self.message(heading);
        if message.progress < self.stage(buffer, heading) || (index > 0 && !buffer.is_multiple()) {
            return None;
        }
        let (to_server, to_client) = buffer.headings();
        if !(if heading == Heading::ToServer { to_server } else { to_client }) {
            return None;
        }
        let field = |name: &[u8]| message.headers.get(name);
        let bytes: &[u8] = match buffer {
            Buffer::HttpUri => Some(self.uri.text.as_slice()).filter(|text| !text.is_empty())?,
            Buffer::HttpUriRaw => self.raw_uri.as_deref()?,
            Buffer::HttpMethod => {
                Some(self.method.as_slice()).filter(|method| !method.is_empty())?
            }
            Buffer::HttpProtocol => message.protocol.as_deref()?,
            Buffer::HttpRequestLine | Buffer::HttpResponseLine => {
                Some(message.line.as_slice()).filter(|line| !line.is_empty())?
            }
            Buffer::HttpStatCode => self.status.as_deref()?,
            Buffer::HttpStatMsg => self.status_message.as_deref()?,
            Buffer::HttpHeader => {
                let cookie: &[u8] =
                    if heading == Heading::ToServer { b"cookie" } else { b"set-cookie" };
                let joined = message.joined.get_or_init(|| message.headers.joined(cookie));
                Some(joined.as_slice()).filter(|joined| !joined.is_empty())?
            }
            Buffer::HttpHeaderRaw => {
                Some(message.raw_headers.as_slice()).filter(|raw| !raw.is_empty())?
            }
            Buffer::HttpHeaderNames => {
                if message.headers.is_empty() {
                    return None;
                }
                message.names.get_or_init(|| message.headers.names())
            }
            Buffer::HttpRequestHeader | Buffer::HttpResponseHeader => {
                message.headers.at(index)?.text()
            }
            Buffer::HttpStart => {
                if message.line.is_empty() {
                    return None;
                }
                message.start()
            }
            Buffer::HttpHost => self.host.as_deref()?,
            Buffer::HttpHostRaw => self.raw_host()?,
            Buffer::HttpUserAgent => field(b"user-agent")?,
            Buffer::HttpCookie if heading == Heading::ToServer => field(b"cookie")?,
            Buffer::HttpCookie => field(b"set-cookie")?,
            Buffer::HttpAccept => field(b"accept")?,
            Buffer::HttpAcceptEnc => field(b"accept-encoding")?,
            Buffer::HttpAcceptLang => field(b"accept-language")?,
            Buffer::HttpConnection => field(b"connection")?,
            Buffer::HttpContentLen => field(b"content-length")?,
            Buffer::HttpContentType => field(b"content-type")?,
            Buffer::HttpReferer => field(b"referer")?,
            Buffer::HttpLocation => field(b"location")?,
            Buffer::HttpServer => field(b"server")?,
            Buffer::HttpRequestBody | Buffer::HttpResponseBody => return self.body(heading),
            Buffer::FileData => return self.file_data(heading, index),
            Buffer::FileName => Some(self.files_of(heading).nth(index)?.name.as_slice())
                .filter(|name| !name.is_empty())?,
            _ => return None,
        };
        Some(BufferView::whole(bytes))
    }

    fn events(&self) -> &[&'static str] {
        &self.events
    }

    fn record(&self) -> serde_json::Map<String, serde_json::Value> {
        super::record::record(self)
    }

    fn files(&self) -> &[File] {
        &self.files
    }
}
