//! Numbers in a buffer: reading them, and what `byte_test` and its siblings do with them.

use super::context::MatchContext;
use crate::ids::rule::ast::{
    ByteExtract, ByteJump, ByteMath, ByteTest, Encoding, Endian, JumpFrom, MathOperator, NumberAt,
    StringBase, TestOperator, Value,
};

/// Where in a view a number is looked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place<'a> {
    pub(super) bytes: &'a [u8],
    /// Where the buffer begins: 0, or below where `bytes` is a later part of it.
    pub(super) origin: i64,
    /// Where the match before ended.
    pub(super) position: i64,
}

/// A number that was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Number {
    value: u64,
    /// Where it ends: behind the bytes, or behind the last digit.
    end: i64,
    /// Of a text without a digit, which counts as 0 where that is allowed.
    empty: bool,
}

/// Most bytes that byte_math reads in binary; more may be asked for, and never match.
const MAX_MATH_BYTES: i64 = 4;

/// Longest text of a number: 2^64 - 1 in octal with a 0 before.
const MAX_TEXT: usize = 23;

fn read(at: &NumberAt, place: Place<'_>, context: &MatchContext) -> Option<Number> {
    let start = context.value(at.offset) + if at.relative { place.position } else { place.origin };
    let rest = place.bytes.get(usize::try_from(start).ok()?..)?;
    let len = usize::try_from(context.value(at.bytes)).ok()?;
    let (value, used) = match at.encoding {
        Encoding::Binary(endian) => {
            let little = match endian {
                Endian::Big => false,
                Endian::Little => true,
                Endian::Dce => context.is_dce_little_endian(),
            };
            (binary(rest.get(..len)?, little)?, len)
        }
        Encoding::Text(_) if len > MAX_TEXT => return None,
        Encoding::Text(base) if len == 0 => text(rest, base)?,
        Encoding::Text(base) => text(rest.get(..len)?, base)?,
    };
    let empty = used == 0 && matches!(at.encoding, Encoding::Text(_));
    Some(Number { value, end: start + i64::try_from(used).ok()?, empty })
}

/// Up to 8 bytes; of none 0.
fn binary(bytes: &[u8], little: bool) -> Option<u64> {
    let join = |value: u64, byte: &u8| value << 8 | u64::from(*byte);
    (bytes.len() <= 8).then(|| match little {
        false => bytes.iter().fold(0, join),
        true => bytes.iter().rev().fold(0, join),
    })
}

/// As C's strtoull: blanks, a sign, a prefix, digits. Value and length with all of these; length 0 where there is no
/// digit, `None` where it is above 64 bits.
fn text(bytes: &[u8], base: StringBase) -> Option<(u64, usize)> {
    let blank = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\n' | 0x0b | 0x0c | b'\r');
    let mut at = bytes.iter().take_while(|byte| blank(byte)).count();
    let negative = bytes.get(at) == Some(&b'-');
    if matches!(bytes.get(at), Some(b'-' | b'+')) {
        at += 1;
    }
    let zero = bytes.get(at) == Some(&b'0');
    let prefix = zero
        && matches!(bytes.get(at + 1), Some(b'x' | b'X'))
        && bytes.get(at + 2).is_some_and(u8::is_ascii_hexdigit);
    let radix = match base {
        StringBase::Hex => 16,
        StringBase::Dec => 10,
        StringBase::Oct => 8,
        StringBase::Auto if prefix => 16,
        StringBase::Auto if zero => 8,
        StringBase::Auto => 10,
    };
    if radix == 16 && prefix {
        at += 2;
    }
    let digits = bytes.get(at..).unwrap_or_default();
    let digits = digits.iter().map_while(|byte| char::from(*byte).to_digit(radix));
    let (mut value, mut count) = (0u64, 0);
    for digit in digits {
        value = value.checked_mul(radix.into())?.checked_add(digit.into())?;
        count += 1;
    }
    if count == 0 {
        return Some((0, 0));
    }
    Some((if negative { value.wrapping_neg() } else { value }, at + count))
}

/// What is left under the mask, moved down to its lowest bit.
fn masked(value: u64, mask: Option<u32>) -> u64 {
    match mask {
        None | Some(0) => value,
        Some(mask) => (value & u64::from(mask)) >> mask.trailing_zeros(),
    }
}

/// The next multiple of `of`.
fn aligned(value: u64, of: u64) -> u64 {
    match value % of {
        0 => value,
        rest => value.wrapping_add(of - rest),
    }
}

fn full(value: Value<u64>, context: &MatchContext) -> u64 {
    match value {
        Value::Constant(n) => n,
        Value::Variable(id) => context.variable(id),
    }
}

pub(super) fn test(test: &ByteTest, place: Place<'_>, context: &MatchContext) -> bool {
    let Some(number) = read(&test.at, place, context) else { return false };
    if number.empty {
        return false;
    }
    let (found, wanted) = (masked(number.value, test.bitmask), full(test.value, context));
    let holds = match test.operator {
        TestOperator::Less => found < wanted,
        TestOperator::Greater => found > wanted,
        TestOperator::Equal => found == wanted,
        TestOperator::LessOrEqual => found <= wanted,
        TestOperator::GreaterOrEqual => found >= wanted,
        TestOperator::And => found & wanted != 0,
        TestOperator::Or => found ^ wanted != 0,
    };
    holds != test.negated
}

/// Farther back than any buffer is from the lowest address, where Suricata's pointer would wrap round.
const FAR_BACK: i64 = -(1 << 46);

/// Where the jump leads: within the buffer, or to its end. One that leads before its beginning ends there.
pub(super) fn jump(jump: &ByteJump, place: Place<'_>, context: &MatchContext) -> Option<i64> {
    let number = read(&jump.at, place, context)?;
    if number.empty {
        return None;
    }
    let mut value = masked(number.value, jump.bitmask).wrapping_mul(jump.multiplier.into());
    if jump.align {
        value = aligned(value, 4);
    }
    let len = i64::try_from(place.bytes.len()).ok()?;
    let from = match jump.from {
        JumpFrom::Here => number.end,
        JumpFrom::Beginning => place.origin,
        JumpFrom::End => len,
    };
    #[expect(clippy::cast_possible_wrap, reason = "64 bits that wrap, as pointers would")]
    let to = from.wrapping_add(value as i64).wrapping_add(context.value(jump.post_offset));
    match to {
        FAR_BACK..0 => Some(0),
        to => (0..=len).contains(&to).then_some(to),
    }
}

/// The position behind the number. Sets the variable.
pub(super) fn extract(
    extract: &ByteExtract,
    place: Place<'_>,
    context: &mut MatchContext,
) -> Option<i64> {
    let number = read(&extract.at, place, context)?;
    if number.empty {
        return None;
    }
    let mut value = number.value.wrapping_mul(extract.multiplier.into());
    if let Some(align) = extract.align.filter(|align| *align > 0) {
        value = aligned(value, align.into());
    }
    context.set_variable(extract.result, value);
    Some(number.end)
}

/// The position behind the number. Sets the variable.
pub(super) fn math(math: &ByteMath, place: Place<'_>, context: &mut MatchContext) -> Option<i64> {
    let number = read(&math.at, place, context)?;
    let too_long = matches!(math.at.encoding, Encoding::Binary(_))
        && context.value(math.at.bytes) > MAX_MATH_BYTES;
    if number.empty || too_long {
        return None;
    }
    let (left, right) = (
        number.value,
        match math.right {
            Value::Constant(n) => u64::from(n),
            Value::Variable(id) => context.variable(id),
        },
    );
    let shift = |by: fn(u64, u32) -> Option<u64>| {
        u32::try_from(right).ok().and_then(|right| by(left, right)).unwrap_or(0)
    };
    let value = match math.operator {
        MathOperator::Add => left.wrapping_add(right),
        MathOperator::Subtract => left.wrapping_sub(right),
        MathOperator::Multiply => left.wrapping_mul(right),
        MathOperator::Divide => left.checked_div(right)?,
        MathOperator::ShiftLeft => shift(u64::checked_shl),
        MathOperator::ShiftRight => shift(u64::checked_shr),
    };
    context.set_variable(math.result, masked(value, math.bitmask));
    Some(number.end)
}
