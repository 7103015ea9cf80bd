//! Numbers in a buffer, as rules read them.

use umbra_analyzers::ids::rule::ast::{
    ByteJump, ByteMath, ByteTest, Encoding, Endian, JumpFrom, MathOperator, NumberAt, StringBase,
    TestOperator, Value,
};

/// What `byte_extract` and `byte_math` have found.
pub(crate) type Variables = Vec<Option<u64>>;

/// A number that a rule says or a variable holds.
pub(crate) fn value<T: Copy + Into<i64>>(value: Value<T>, variables: &Variables) -> Option<i64> {
    match value {
        Value::Constant(n) => Some(n.into()),
        Value::Variable(id) => {
            variables.get(usize::from(id.0)).copied().flatten().and_then(|n| i64::try_from(n).ok())
        }
    }
}

/// Where a number begins; `None` before the buffer.
pub(crate) fn place(number: &NumberAt, at: usize, variables: &Variables) -> Option<usize> {
    let base = if number.relative { i64::try_from(at).ok()? } else { 0 };
    usize::try_from(base + value(number.offset, variables)?).ok()
}

/// The number in these bytes, and how many of them it took.
pub(crate) fn read(number: &NumberAt, bytes: &[u8], variables: &Variables) -> Option<(u64, usize)> {
    let wanted = usize::try_from(value(number.bytes, variables)?).ok()?;
    match number.encoding {
        Encoding::Binary(endian) => {
            let bytes = bytes.get(..wanted).filter(|b| b.len() <= 8)?;
            let one = |sum: u64, b: &u8| sum << 8 | u64::from(*b);
            let number = match endian {
                Endian::Big => bytes.iter().fold(0, one),
                Endian::Little | Endian::Dce => bytes.iter().rev().fold(0, one),
            };
            Some((number, wanted))
        }
        Encoding::Text(base) => {
            let room = if wanted == 0 { bytes } else { bytes.get(..wanted)? };
            let radix = radix(base);
            let blanks = room.iter().take_while(|b| b.is_ascii_whitespace()).count();
            let digits = room.get(blanks..)?;
            let len = digits.iter().take_while(|&&b| char::from(b).is_digit(radix)).count();
            let text = std::str::from_utf8(digits.get(..len)?).ok()?;
            Some((u64::from_str_radix(text, radix).ok()?, blanks + len))
        }
    }
}

const fn radix(base: StringBase) -> u32 {
    match base {
        StringBase::Hex => 16,
        StringBase::Dec | StringBase::Auto => 10,
        StringBase::Oct => 8,
    }
}

/// Bytes that read as this number; `None` where it is too large.
pub(crate) fn write(number: &NumberAt, raw: u64, variables: &Variables) -> Option<Vec<u8>> {
    let len = usize::try_from(value(number.bytes, variables)?).ok()?;
    match number.encoding {
        Encoding::Binary(endian) => {
            if len > 8 || len < 8 && raw >> (8 * len) != 0 {
                return None;
            }
            let mut bytes = raw.to_be_bytes().get(8 - len..)?.to_vec();
            if endian != Endian::Big {
                bytes.reverse();
            }
            Some(bytes)
        }
        Encoding::Text(base) => {
            let text = match base {
                StringBase::Hex => format!("{raw:0len$x}"),
                StringBase::Dec | StringBase::Auto => format!("{raw:0len$}"),
                StringBase::Oct => format!("{raw:0len$o}"),
            };
            (len == 0 || text.len() == len).then(|| text.into_bytes())
        }
    }
}

/// Takes a number under its mask.
fn masked(raw: u64, mask: Option<u32>) -> u64 {
    match mask {
        Some(mask) if mask != 0 => (raw & u64::from(mask)) >> mask.trailing_zeros(),
        _ => raw,
    }
}

/// Whether `byte_test` holds of a number.
pub(crate) fn test(test: &ByteTest, raw: u64, variables: &Variables) -> Option<bool> {
    let number = masked(raw, test.bitmask);
    let with = match test.value {
        Value::Constant(n) => n,
        Value::Variable(id) => variables.get(usize::from(id.0)).copied().flatten()?,
    };
    let holds = match test.operator {
        TestOperator::Less => number < with,
        TestOperator::Greater => number > with,
        TestOperator::Equal => number == with,
        TestOperator::LessOrEqual => number <= with,
        TestOperator::GreaterOrEqual => number >= with,
        TestOperator::And => number & with != 0,
        TestOperator::Or => number ^ with != 0,
    };
    Some(holds != test.negated)
}

/// Numbers worth trying for `byte_test`.
pub(crate) fn candidates(test: &ByteTest, variables: &Variables) -> Vec<u64> {
    let with = match test.value {
        Value::Constant(n) => n,
        Value::Variable(id) => variables.get(usize::from(id.0)).copied().flatten().unwrap_or(0),
    };
    let shift = test.bitmask.map_or(0, u32::trailing_zeros);
    let near = [with, with.wrapping_add(1), with.wrapping_sub(1), 0, 1, with.wrapping_add(40)];
    near.iter().map(|n| n << shift.min(31)).collect()
}

/// Where a jump leads, from a number of `len` bytes at `place` in a buffer of `size` bytes.
pub(crate) fn landing(
    jump: &ByteJump,
    raw: u64,
    place: usize,
    len: usize,
    size: usize,
    variables: &Variables,
) -> Option<usize> {
    let mut far = i64::try_from(masked(raw, jump.bitmask)).ok()?;
    far = far.checked_mul(i64::from(jump.multiplier.max(1)))?;
    if jump.align {
        far = far.checked_add(3)? & !3;
    }
    let base = match jump.from {
        JumpFrom::Here => place + len,
        JumpFrom::Beginning => 0,
        JumpFrom::End => size,
    };
    let base = i64::try_from(base).ok()?;
    let to = base.checked_add(far)?.checked_add(value(jump.post_offset, variables)?)?;
    usize::try_from(to).ok()
}

/// What `byte_math` makes of a number.
pub(crate) fn math(math: &ByteMath, raw: u64, variables: &Variables) -> Option<u64> {
    let left = masked(raw, math.bitmask);
    let right = match math.right {
        Value::Constant(n) => u64::from(n),
        Value::Variable(id) => variables.get(usize::from(id.0)).copied().flatten()?,
    };
    let made = match math.operator {
        MathOperator::Add => left.wrapping_add(right),
        MathOperator::Subtract => left.wrapping_sub(right),
        MathOperator::Multiply => left.wrapping_mul(right),
        MathOperator::Divide => left.checked_div(right)?,
        MathOperator::ShiftLeft => left.checked_shl(u32::try_from(right).ok()?)?,
        MathOperator::ShiftRight => left.checked_shr(u32::try_from(right).ok()?)?,
    };
    Some(made & 0xffff_ffff)
}
