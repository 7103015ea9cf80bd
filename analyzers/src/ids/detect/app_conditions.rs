//! Whether a transaction is what a rule's conditions outside of buffers ask for.

use md5::{Digest, Md5};
use sha1::Sha1;
use sha2::Sha256;

use super::super::rule::ast::{
    AppCondition, CertDate, Compare, DceInterface, FileDigests, HashKind, SslState, TlsVersions,
};
use crate::app::tls::state;
use crate::app::{Field, File, FileState, Heading, Transaction};
use crate::events::Timestamp;

/// Whether a condition holds of a transaction, as far as it has come, in a heading.
pub(crate) fn holds(
    condition: &AppCondition,
    transaction: &dyn Transaction,
    heading: Heading,
    now: Timestamp,
) -> bool {
    match condition {
        AppCondition::Event(name) => transaction.events().contains(&&**name),
        AppCondition::Number { field, any_of } => {
            any_number(transaction, *field, heading, |n| any_of.iter().any(|c| c.holds(n)))
        }
        AppCondition::DceInterface(wanted) => interface(wanted, transaction),
        AppCondition::SslState(wanted) => ssl_state(wanted, transaction),
        AppCondition::TlsVersion(wanted) => tls_version(wanted, transaction, heading),
        AppCondition::CertDate { end, compare } => {
            let field = match end {
                CertDate::NotBefore => Field::TlsCertNotBefore,
                CertDate::NotAfter => Field::TlsCertNotAfter,
            };
            any_number(transaction, field, heading, |n| compare.holds(n))
        }
        AppCondition::CertExpired => {
            any_number(transaction, Field::TlsCertNotAfter, heading, |n| n < now.as_secs())
        }
        AppCondition::CertValid => {
            any_number(transaction, Field::TlsCertNotAfter, heading, |n| n > now.as_secs())
                && any_number(transaction, Field::TlsCertNotBefore, heading, |n| n <= now.as_secs())
        }
        AppCondition::FileSize(wanted) => {
            files(transaction, heading).any(|file| file_size(wanted, file))
        }
        AppCondition::FileHash { kind, negated, list } => files(transaction, heading)
            .any(|file| file_hash(*kind, list, file).is_some_and(|known| known != *negated)),
    }
}

fn any_number(
    transaction: &dyn Transaction,
    field: Field,
    heading: Heading,
    holds: impl Fn(u64) -> bool,
) -> bool {
    (0..).map_while(|index| transaction.number_at(field, heading, index)).any(holds)
}

fn interface(wanted: &DceInterface, transaction: &dyn Transaction) -> bool {
    transaction.interfaces().iter().any(|known| {
        known.uuid == wanted.uuid && wanted.version.is_none_or(|version| version.holds(known.major))
    })
}

/// What came last of the messages that it knows; negated ones hold for all others.
fn ssl_state(wanted: &SslState, transaction: &dyn Transaction) -> bool {
    let came = transaction.number(Field::TlsState, Heading::ToServer).unwrap_or(0);
    let known = [
        (wanted.client_hello, state::CLIENT_HELLO),
        (wanted.server_hello, state::SERVER_HELLO),
        (wanted.client_keyx, state::CLIENT_KEYX),
        (wanted.server_keyx, state::SERVER_KEYX),
        (wanted.unknown, 0),
    ];
    known.iter().any(|&(wanted, message)| {
        wanted.is_some_and(|wanted| wanted == (message != 0 && came == u64::from(message)))
    })
}

fn tls_version(wanted: &TlsVersions, transaction: &dyn Transaction, heading: Heading) -> bool {
    let Some(version) = transaction.number(Field::TlsVersion, heading) else { return false };
    let is = |list: &[u16]| list.iter().any(|&known| u64::from(known) == version);
    (wanted.any_of.is_empty() || is(&wanted.any_of)) && !is(&wanted.none_of)
}

fn files(transaction: &dyn Transaction, heading: Heading) -> impl Iterator<Item = &File> {
    let to_server = heading == Heading::ToServer;
    transaction.files().iter().filter(move |file| file.to_server == to_server)
}

/// Of a file that still comes it is only known that it is at least so large.
fn file_size(wanted: &Compare<u64>, file: &File) -> bool {
    if matches!(file.state, FileState::Closed) {
        return wanted.holds(file.size);
    }
    match *wanted {
        Compare::Greater(n) | Compare::GreaterOrEqual(n) => file.size > n,
        Compare::Between(low, high) => {
            file.state != FileState::Open && low < file.size && file.size < high
        }
        _ => false,
    }
}

/// Whether the list has the file's hash; `None` where not all of the file is there.
fn file_hash(kind: HashKind, list: &FileDigests, file: &File) -> Option<bool> {
    let whole = file.state == FileState::Closed && file.data.len() as u64 == file.size;
    if !whole {
        return None;
    }
    let data = file.data.as_slice();
    let digest: Box<[u8]> = match kind {
        HashKind::Md5 => Md5::digest(data).as_slice().into(),
        HashKind::Sha1 => Sha1::digest(data).as_slice().into(),
        HashKind::Sha256 => Sha256::digest(data).as_slice().into(),
    };
    Some(list.digests.contains(&digest))
}
