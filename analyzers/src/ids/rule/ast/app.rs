//! What an application layer or a transaction must be, outside of its buffers.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::Compare;
use crate::app::Field;

/// A condition on a flow's application layer.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum AppCondition {
    /// `app-layer-event`: `http.missing_host_header`; or of the layer itself, such as
    /// `applayer_mismatch_protocol_both_directions`.
    Event(Box<str>),
    /// A number of the transaction: any of these may hold (`dcerpc.opnum:1,5-7`).
    Number {
        field: Field,
        any_of: Vec<Compare<u64>>,
    },
    /// `dcerpc.iface`
    DceInterface(DceInterface),
    SslState(SslState),
    /// `ssl_version`, `tls.version`
    TlsVersion(TlsVersions),
    /// `tls_cert_notbefore`, `tls_cert_notafter` with dates; numbers are in `Number`.
    CertDate {
        end: CertDate,
        compare: Compare<u64>,
    },
    /// `tls_cert_expired`
    CertExpired,
    /// `tls_cert_valid`
    CertValid,
    /// `filesize`
    FileSize(Compare<u64>),
    /// `filemd5` and the like: the whole file's hash is, or is not, in the list.
    FileHash {
        kind: HashKind,
        negated: bool,
        list: Arc<FileDigests>,
    },
}

impl AppCondition {
    /// Whether a transaction decides it.
    #[must_use]
    pub fn is_of_transaction(&self) -> bool {
        !matches!(self, AppCondition::Event(name) if !name.contains('.'))
    }
}

/// `dcerpc.iface`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct DceInterface {
    /// In the order of its text.
    pub uuid: [u8; 16],
    /// Of the interface's major version.
    pub version: Option<Compare<u16>>,
    /// `any_frag`: not only the first fragment.
    pub any_fragment: bool,
}

/// `ssl_state`: the handshake is in one of these, or in none where negated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct SslState {
    pub client_hello: Option<bool>,
    pub server_hello: Option<bool>,
    pub client_keyx: Option<bool>,
    pub server_keyx: Option<bool>,
    pub unknown: Option<bool>,
}

/// `ssl_version`, `tls.version`: any of `any_of`, and none of `none_of`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct TlsVersions {
    /// As on the wire: 0x0002 SSLv2, 0x0300 SSLv3, 0x0301 TLS 1.0 …
    pub any_of: Vec<u16>,
    pub none_of: Vec<u16>,
}

/// Which end of a certificate's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CertDate {
    NotBefore,
    NotAfter,
}

/// Which hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HashKind {
    Md5,
    Sha1,
    Sha256,
}

/// Hashes from a file, 16, 20 or 32 bytes each.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct FileDigests {
    pub digests: BTreeSet<Box<[u8]>>,
}
