//! HPACK (RFC 7541): header fields out of blocks.
//!
//! A decoder belongs to one heading of a connection and must see all its blocks, in order. It goes on behind
//! what is wrong as long as it is known where the next field begins.

pub(super) mod huffman;
mod table;

use table::Table;
pub(super) use table::Text;

/// What stands in a block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Item {
    Field(Field),
    /// From here on the table may be as large as this.
    SizeUpdate(u64),
    Error(FieldError),
}

/// A header field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Field {
    pub(super) name: Text,
    pub(super) value: Text,
    /// The table's entry that it is, or became.
    pub(super) entry: Option<u64>,
    /// The one that only its name comes from.
    pub(super) name_entry: Option<u64>,
}

/// Why there is no field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FieldError {
    IndexZero,
    NotIndexed,
    /// Nothing behind it can be read.
    IntegerOverflow,
}

/// How a block ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BlockEnd {
    Whole,
    /// In the midst of a field.
    Cut,
    /// Behind a number that is none.
    Surplus,
}

/// One heading's decoder.
#[derive(Debug)]
pub(super) struct Decoder {
    table: Table,
    /// Something did not fit into the table any more.
    pub(super) overflow: bool,
}

impl Decoder {
    pub(super) fn new() -> Self {
        Self { table: Table::new(), overflow: false }
    }

    pub(super) fn memory_bytes(&self) -> usize {
        self.table.memory_bytes()
    }

    /// Takes a whole block and gives what stands in it to `sink`.
    pub(super) fn block(&mut self, block: &[u8], mut sink: impl FnMut(Item)) -> BlockEnd {
        let mut rest = block;
        while !rest.is_empty() {
            match self.item(&mut rest) {
                Ok(item) => sink(item),
                Err(Stop::Cut) => return BlockEnd::Cut,
                Err(Stop::Overflow) => {
                    sink(Item::Error(FieldError::IntegerOverflow));
                    return BlockEnd::Surplus;
                }
            }
        }
        BlockEnd::Whole
    }

    fn item(&mut self, rest: &mut &[u8]) -> Result<Item, Stop> {
        let first = *rest.first().ok_or(Stop::Cut)?;
        if first & 0x80 != 0 {
            return Ok(match integer(rest, 7)? {
                0 => Item::Error(FieldError::IndexZero),
                index => match self.table.get(index) {
                    Some(found) => Item::Field(Field {
                        name: found.name,
                        value: found.value,
                        entry: found.number,
                        name_entry: None,
                    }),
                    None => Item::Error(FieldError::NotIndexed),
                },
            });
        }
        if first & 0xe0 == 0x20 {
            let size = integer(rest, 5)?;
            self.table.resize(size);
            return Ok(Item::SizeUpdate(size));
        }
        let keeps = first & 0x40 != 0;
        let (name, name_entry) = match integer(rest, if keeps { 6 } else { 4 })? {
            0 => (string(rest)?, None),
            index => match self.table.get(index) {
                Some(found) => (found.name, found.number),
                None => (Text::empty(), None),
            },
        };
        let value = string(rest)?;
        let entry = if keeps { self.table.add(&name, &value) } else { None };
        self.overflow |= keeps && entry.is_none();
        Ok(Item::Field(Field { name, value, entry, name_entry }))
    }
}

/// Why a block cannot be read on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stop {
    Cut,
    Overflow,
}

/// A number with so many bits in its first byte (RFC 7541, section 5.1).
fn integer(rest: &mut &[u8], prefix: u32) -> Result<u64, Stop> {
    let (&first, mut after) = rest.split_first().ok_or(Stop::Cut)?;
    let mask = (1u8 << prefix) - 1;
    let mut value = u64::from(first & mask);
    if first & mask == mask {
        let mut shift = 0;
        loop {
            let (&byte, behind) = after.split_first().ok_or(Stop::Cut)?;
            after = behind;
            let digit = u64::from(byte & 0x7f);
            let part = match shift {
                0..=56 => digit << shift,
                _ if digit == 0 && shift < 128 => 0,
                _ => return Err(Stop::Overflow),
            };
            value = value.checked_add(part).ok_or(Stop::Overflow)?;
            shift += 7;
            if byte & 0x80 == 0 {
                break;
            }
        }
    }
    *rest = after;
    Ok(value)
}

/// A string, plain or coded. One that cannot be decoded is empty.
fn string(rest: &mut &[u8]) -> Result<Text, Stop> {
    let coded = rest.first().ok_or(Stop::Cut)? & 0x80 != 0;
    let len = usize::try_from(integer(rest, 7)?).map_err(|_| Stop::Cut)?;
    let (bytes, after) = rest.split_at_checked(len).ok_or(Stop::Cut)?;
    *rest = after;
    Ok(if coded {
        Text::from(huffman::decode(bytes).unwrap_or_default().as_slice())
    } else {
        Text::from(bytes)
    })
}

#[cfg(test)]
mod tests;
