//! Names: labels, and pointers to labels elsewhere in the message.

/// What a name grows to at most; longer ones are cut there.
const LEN_LIMIT: usize = 1025;
/// Labels and pointers of one name.
const STEPS_LIMIT: usize = 255;
/// What all names of a message may expand to: pointers make much of little.
const MESSAGE_LIMIT: usize = 1 << 20;

/// A name as text: labels with dots between them, otherwise as sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Name {
    /// The labels' bytes, which can be any.
    pub bytes: Vec<u8>,
    /// It was cut.
    pub truncated: bool,
}

/// What was odd about the names of a message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct NameOddities {
    pub(super) truncated: bool,
    pub(super) infinite_loop: bool,
    pub(super) too_many_labels: bool,
}

/// Reads names of one message.
#[derive(Debug)]
pub(super) struct NameReader<'m> {
    message: &'m [u8],
    expanded: usize,
    pub(super) oddities: NameOddities,
}

impl<'m> NameReader<'m> {
    pub(super) fn new(message: &'m [u8]) -> Self {
        Self { message, expanded: 0, oddities: NameOddities::default() }
    }

    /// The name that `input`, a part of the message, begins with, and what is behind it. A name that ends with
    /// the input, without its last empty label, is one, too.
    pub(super) fn read(&mut self, input: &'m [u8]) -> Option<(Name, &'m [u8])> {
        let mut name = Name::default();
        let mut at = input;
        // Where to go on, once a pointer was followed.
        let mut behind = None;
        let mut steps = 0;
        while let Some((&len, rest)) = at.split_first() {
            match len {
                0 => {
                    at = rest;
                    break;
                }
                1..=63 => {
                    let (label, rest) = rest.split_at_checked(usize::from(len))?;
                    at = rest;
                    if !name.truncated {
                        if !name.bytes.is_empty() {
                            name.bytes.push(b'.');
                        }
                        name.bytes.extend_from_slice(label);
                    }
                }
                0xc0.. => {
                    let (&low, rest) = rest.split_first()?;
                    let target =
                        self.message.get(usize::from(len & 0x3f) << 8 | usize::from(low)..)?;
                    // Within a record's data there is less behind it than when looked at from the message.
                    let itself = target.as_ptr() == at.as_ptr() && target.len() == at.len();
                    if itself {
                        behind?;
                        self.oddities.infinite_loop = true;
                        break;
                    }
                    behind.get_or_insert(rest);
                    at = target;
                }
                _ => return None,
            }
            steps += 1;
            if steps > STEPS_LIMIT {
                behind?;
                self.oddities.too_many_labels = true;
                name.truncated = true;
                break;
            }
            if name.bytes.len() > LEN_LIMIT || self.expanded + name.bytes.len() > MESSAGE_LIMIT {
                name.bytes.truncate(LEN_LIMIT);
                name.truncated = true;
            }
        }
        self.oddities.truncated |= name.truncated;
        self.expanded += name.bytes.len();
        Some((name, behind.unwrap_or(at)))
    }
}
