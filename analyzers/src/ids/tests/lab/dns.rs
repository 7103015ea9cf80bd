//! DNS messages (RFC 1035).

pub(in crate::ids::tests) const A: u16 = 1;
pub(in crate::ids::tests) const NS: u16 = 2;
pub(in crate::ids::tests) const CNAME: u16 = 5;
pub(in crate::ids::tests) const TXT: u16 = 16;

/// A name in labels.
pub(in crate::ids::tests) fn name(text: &str) -> Vec<u8> {
    let labels = text.split('.').filter(|label| !label.is_empty());
    let mut bytes: Vec<u8> =
        labels.flat_map(|label| [&[label.len() as u8], label.as_bytes()].concat()).collect();
    bytes.push(0);
    bytes
}

/// A record: its name, type and data.
pub(in crate::ids::tests) type Record<'a> = (&'a str, u16, &'a [u8]);

fn question(&(of, kind): &(&str, u16)) -> Vec<u8> {
    [name(of), kind.to_be_bytes().to_vec(), vec![0, 1]].concat()
}

fn record(&(of, kind, data): &Record<'_>) -> Vec<u8> {
    let len = (data.len() as u16).to_be_bytes();
    [&name(of)[..], &kind.to_be_bytes(), &[0, 1, 0, 0, 0, 60], &len, data].concat()
}

/// A message with these flags, question, answers, authorities and additionals.
pub(in crate::ids::tests) fn message(
    flags: u16,
    asked: &[(&str, u16)],
    records: [&[Record<'_>]; 3],
) -> Vec<u8> {
    let mut bytes = [0x1234, flags, asked.len() as u16].map(u16::to_be_bytes).concat();
    bytes.extend(records.iter().flat_map(|part| (part.len() as u16).to_be_bytes()));
    bytes.extend(asked.iter().flat_map(question));
    bytes.extend(records.into_iter().flatten().flat_map(record));
    bytes
}

/// A question, recursion desired.
pub(in crate::ids::tests) fn query(of: &str, kind: u16) -> Vec<u8> {
    message(0x0100, &[(of, kind)], [&[], &[], &[]])
}
