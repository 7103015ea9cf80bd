//! Chains of certificates, and what is of interest of the first one.

use std::net::{Ipv4Addr, Ipv6Addr};

use sha1::{Digest, Sha1};
use x509_parser::certificate::X509Certificate;
use x509_parser::error::X509Error;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer;

use super::hello::{take, u24};

/// Names of a certificate that are kept.
const NAMES_LIMIT: usize = 256;

/// The certificates that one end sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Chain {
    /// DER, in the order sent: the end's own first.
    pub certificates: Vec<Vec<u8>>,
    /// The first one, if it could be read.
    pub first: Option<Summary>,
    /// Whose SHA-1 is `aa:bb:…`, readable or not.
    pub fingerprint: Option<String>,
}

/// What is of interest of a certificate.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Whom it is for: `C=US, O=…, CN=…`.
    pub subject: String,
    /// Who says so.
    pub issuer: String,
    /// `AA:BB:…`
    pub serial: String,
    /// Seconds since 1970, before them if negative.
    pub not_before: i64,
    /// Likewise.
    pub not_after: i64,
    /// Other names of the subject.
    pub names: Vec<String>,
}

/// Reads the body of a Certificate message; what was odd about it besides.
pub(super) fn read(body: &[u8]) -> (Option<Chain>, Vec<&'static str>) {
    let mut events = Vec::new();
    let mut at = body;
    let list = u24(&mut at).and_then(|len| take(&mut at, len));
    let Some(mut list) = list else {
        events.push("tls.certificate_invalid_length");
        return (None, events);
    };
    let mut chain = Chain::default();
    while !list.is_empty() {
        let certificate = u24(&mut list).and_then(|len| take(&mut list, len));
        let Some(certificate) = certificate else {
            events.push("tls.certificate_invalid_length");
            break;
        };
        chain.certificates.push(certificate.to_vec());
    }
    if let Some(first) = chain.certificates.first() {
        match summary(first, &mut events) {
            Ok(summary) => {
                chain.fingerprint = Some(hex(&Sha1::digest(first), false));
                chain.first = Some(summary);
            }
            Err(event) => {
                events.push(event);
                events.push("tls.invalid_certificate");
            }
        }
    }
    (Some(chain), events)
}

fn summary(der: &[u8], events: &mut Vec<&'static str>) -> Result<Summary, &'static str> {
    let (_, certificate) = X509Certificate::from_der(der).map_err(|error| match error {
        x509_parser::nom::Err::Error(error) | x509_parser::nom::Err::Failure(error) => {
            event_of(&error)
        }
        x509_parser::nom::Err::Incomplete(_) => "tls.certificate_invalid_der",
    })?;
    let validity = certificate.validity();
    let mut names = Vec::new();
    if let Ok(Some(extension)) = certificate.subject_alternative_name() {
        let all = &extension.value.general_names;
        if all.len() > NAMES_LIMIT {
            events.push("tls.too_many_subject_alternative_names");
        }
        names.extend(all.iter().take(NAMES_LIMIT).filter_map(rendered));
    }
    Ok(Summary {
        subject: certificate.subject().to_string(),
        issuer: certificate.issuer().to_string(),
        serial: hex(certificate.raw_serial(), true),
        not_before: validity.not_before.timestamp(),
        not_after: validity.not_after.timestamp(),
        names,
    })
}

fn event_of(error: &X509Error) -> &'static str {
    match error {
        X509Error::InvalidVersion => "tls.certificate_invalid_version",
        X509Error::InvalidSerial => "tls.certificate_invalid_serial",
        X509Error::InvalidAlgorithmIdentifier => "tls.certificate_invalid_algorithmidentifier",
        X509Error::InvalidX509Name => "tls.certificate_invalid_x509name",
        X509Error::InvalidDate => "tls.certificate_invalid_date",
        X509Error::InvalidExtensions => "tls.certificate_invalid_extensions",
        X509Error::Der(_) => "tls.certificate_invalid_der",
        _ => "tls.invalid_certificate",
    }
}

fn rendered(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(name) | GeneralName::RFC822Name(name) | GeneralName::URI(name) => {
            Some((*name).to_owned())
        }
        GeneralName::IPAddress(bytes) => {
            if let Ok(v4) = <[u8; 4]>::try_from(*bytes) {
                return Some(Ipv4Addr::from(v4).to_string());
            }
            <[u8; 16]>::try_from(*bytes).ok().map(|v6| Ipv6Addr::from(v6).to_string())
        }
        _ => None,
    }
}

fn hex(bytes: &[u8], upper: bool) -> String {
    let digits = bytes.iter().map(|byte| match upper {
        true => format!("{byte:02X}"),
        false => format!("{byte:02x}"),
    });
    digits.collect::<Vec<_>>().join(":")
}
