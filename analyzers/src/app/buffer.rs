//! What rules can look at inside an application protocol, as one table.
//!
//! Names are those that Suricata's rules use. A buffer belongs to transactions of one protocol (or of
//! several, as `file.data` does), is there in one or both headings, and is complete from a stage of the
//! transaction on; see [`Transaction::progress`](super::Transaction::progress).

use super::AppProto;

macro_rules! buffers {
    ($($name:ident $keyword:literal [$($alias:literal)*] $protocol:ident $headings:ident $count:ident;)*) => {
        /// A part of a transaction that rules can look at.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum Buffer { $(#[doc = concat!("`", $keyword, "`")] $name,)* }

        impl Buffer {
            /// All of them, in the order of their numbers.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];
            /// How many there are.
            pub const COUNT: usize = Self::ALL.len();

            /// The sticky buffer's keyword.
            #[must_use]
            pub const fn keyword(self) -> &'static str {
                match self { $(Self::$name => $keyword,)* }
            }

            /// Other keywords that mean the same sticky buffer.
            #[must_use]
            pub const fn aliases(self) -> &'static [&'static str] {
                match self { $(Self::$name => &[$($alias),*],)* }
            }

            /// Whose transactions have it; `None` where several protocols do.
            #[must_use]
            pub const fn protocol(self) -> Option<AppProto> {
                match self { $(Self::$name => buffers!(@protocol $protocol),)* }
            }

            /// Whether it is there in what the client, and in what the server sends.
            #[must_use]
            pub const fn headings(self) -> (bool, bool) {
                match self { $(Self::$name => buffers!(@headings $headings),)* }
            }

            /// Whether a transaction can have several of it, each to be looked at on its own.
            #[must_use]
            pub const fn is_multiple(self) -> bool {
                match self { $(Self::$name => buffers!(@count $count),)* }
            }
        }
    };
    (@protocol Any) => { None };
    (@protocol $protocol:ident) => { Some(AppProto::$protocol) };
    (@headings ts) => { (true, false) };
    (@headings tc) => { (false, true) };
    (@headings both) => { (true, true) };
    (@count one) => { false };
    (@count many) => { true };
}

buffers! {
    HttpUri "http.uri" [] Http ts one;
    HttpUriRaw "http.uri.raw" [] Http ts one;
    HttpMethod "http.method" [] Http ts one;
    HttpProtocol "http.protocol" [] Http both one;
    HttpRequestLine "http.request_line" [] Http ts one;
    HttpResponseLine "http.response_line" [] Http tc one;
    HttpStatCode "http.stat_code" [] Http tc one;
    HttpStatMsg "http.stat_msg" [] Http tc one;
    HttpHeader "http.header" [] Http both one;
    HttpHeaderRaw "http.header.raw" [] Http both one;
    HttpHeaderNames "http.header_names" ["http_header_names"] Http both one;
    HttpRequestHeader "http.request_header" [] Http ts many;
    HttpResponseHeader "http.response_header" [] Http tc many;
    HttpStart "http.start" ["http_start"] Http1 both one;
    HttpHost "http.host" [] Http ts one;
    HttpHostRaw "http.host.raw" [] Http ts one;
    HttpUserAgent "http.user_agent" [] Http ts one;
    HttpCookie "http.cookie" [] Http both one;
    HttpAccept "http.accept" ["http_accept"] Http ts one;
    HttpAcceptEnc "http.accept_enc" ["http_accept_enc"] Http ts one;
    HttpAcceptLang "http.accept_lang" ["http_accept_lang"] Http ts one;
    HttpConnection "http.connection" ["http_connection"] Http both one;
    HttpContentLen "http.content_len" ["http_content_len"] Http both one;
    HttpContentType "http.content_type" ["http_content_type"] Http both one;
    HttpReferer "http.referer" ["http_referer"] Http ts one;
    HttpLocation "http.location" [] Http tc one;
    HttpServer "http.server" [] Http tc one;
    HttpRequestBody "http.request_body" [] Http ts one;
    HttpResponseBody "http.response_body" [] Http tc one;
    Http2HeaderName "http2.header_name" [] Http2 both many;
    FileData "file.data" ["file_data"] Any both many;
    FileName "file.name" ["filename"] Any both many;
    DnsQuery "dns.query" ["dns_query"] Dns ts many;
    DnsQueriesRrname "dns.queries.rrname" [] Dns both many;
    DnsAnswersRrname "dns.answers.rrname" ["dns.answer.name"] Dns both many;
    DnsAuthoritiesRrname "dns.authorities.rrname" [] Dns both many;
    DnsAdditionalsRrname "dns.additionals.rrname" [] Dns both many;
    DnsResponseRrname "dns.response.rrname" [] Dns tc many;
    DnsQueryName "dns.query.name" [] Dns both many;
    TlsSni "tls.sni" ["tls_sni"] Tls ts one;
    TlsCertSubject "tls.cert_subject" ["tls_cert_subject" "tls.subject"] Tls both one;
    TlsCertIssuer "tls.cert_issuer" ["tls_cert_issuer" "tls.issuerdn"] Tls both one;
    TlsCertSerial "tls.cert_serial" ["tls_cert_serial"] Tls both one;
    TlsCertFingerprint "tls.cert_fingerprint" ["tls_cert_fingerprint"] Tls both one;
    TlsCerts "tls.certs" [] Tls both many;
    TlsSubjectaltname "tls.subjectaltname" [] Tls tc many;
    TlsAlpn "tls.alpn" [] Tls both many;
    TlsRandom "tls.random" [] Tls both one;
    TlsRandomTime "tls.random_time" [] Tls both one;
    TlsRandomBytes "tls.random_bytes" [] Tls both one;
    Ja3Hash "ja3.hash" ["ja3_hash"] Tls ts one;
    Ja3String "ja3.string" ["ja3_string"] Tls ts one;
    Ja3sHash "ja3s.hash" [] Tls tc one;
    Ja3sString "ja3s.string" [] Tls tc one;
    Ja4Hash "ja4.hash" [] Tls ts one;
    SshProto "ssh.proto" ["ssh_proto"] Ssh both one;
    SshSoftware "ssh.software" ["ssh_software"] Ssh both one;
    SshHassh "ssh.hassh" [] Ssh ts one;
    SshHasshString "ssh.hassh.string" [] Ssh ts one;
    SshHasshServer "ssh.hassh.server" [] Ssh tc one;
    SshHasshServerString "ssh.hassh.server.string" [] Ssh tc one;
    SmbNamedPipe "smb.named_pipe" ["smb_named_pipe"] Smb ts one;
    SmbShare "smb.share" ["smb_share"] Smb ts one;
    SmbNtlmsspUser "smb.ntlmssp_user" [] Smb ts one;
    SmbNtlmsspDomain "smb.ntlmssp_domain" [] Smb ts one;
    DceStubData "dcerpc.stub_data" ["dce_stub_data"] Any both one;
    FtpCommand "ftp.command" [] Ftp ts one;
    FtpCommandData "ftp.command_data" [] Ftp ts one;
    FtpReply "ftp.reply" [] Ftp tc many;
    FtpCompletionCode "ftp.completion_code" [] Ftp tc many;
    FtpdataCommand "ftpdata_command" [] FtpData both one;
    SmtpHelo "smtp.helo" [] Smtp ts one;
    SmtpMailFrom "smtp.mail_from" [] Smtp ts one;
    SmtpRcptTo "smtp.rcpt_to" [] Smtp ts many;
    EmailFrom "email.from" [] Smtp ts one;
    EmailSubject "email.subject" [] Smtp ts one;
    EmailTo "email.to" [] Smtp ts one;
    EmailCc "email.cc" [] Smtp ts one;
    EmailDate "email.date" [] Smtp ts one;
    EmailMessageId "email.message_id" [] Smtp ts one;
    EmailXMailer "email.x_mailer" [] Smtp ts one;
    EmailUrl "email.url" [] Smtp ts many;
    EmailReceived "email.received" [] Smtp ts many;
}

impl Buffer {
    /// The buffer of a sticky buffer's keyword.
    #[must_use]
    pub fn from_keyword(keyword: &str) -> Option<Self> {
        Self::ALL
            .iter()
            .copied()
            .find(|buffer| buffer.keyword() == keyword || buffer.aliases().contains(&keyword))
    }
}
