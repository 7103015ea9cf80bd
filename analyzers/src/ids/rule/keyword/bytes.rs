//! `byte_test`, `byte_jump`, `byte_extract`, `byte_math`.

use super::super::ast::{
    ByteExtract, ByteJump, ByteMath, ByteTest, Encoding, Endian, JumpFrom, Match, MathOperator,
    NumberAt, StringBase, TestOperator, Value,
};
use super::super::builder::Builder;
use super::super::number::{unsigned, within};
use super::super::problem::{Result, fail};
use super::super::split::unquoted;
use super::{Keyword, value};
use crate::app::AppProto;

pub(super) const KEYWORDS: &[Keyword] = &[
    value("byte_test", byte_test),
    value("byte_jump", byte_jump),
    value("byte_extract", byte_extract),
    value("byte_math", byte_math),
];

/// Options that all four know.
#[derive(Default)]
struct Options {
    relative: bool,
    string: bool,
    base: Option<StringBase>,
    endian: Option<Endian>,
    bitmask: Option<u32>,
}

impl Options {
    /// Takes an option in; false where it is none of these.
    fn take(&mut self, option: &str) -> Result<bool> {
        let mut base = |base| match self.base.replace(base) {
            None => Ok(true),
            Some(_) => fail!("{option}: a base was given before"),
        };
        let mut endian = |endian| match self.endian.replace(endian) {
            None => Ok(true),
            Some(_) => fail!("{option}: an order of bytes was given before"),
        };
        match option {
            "relative" => self.relative = true,
            "string" => self.string = true,
            "hex" => return base(StringBase::Hex),
            "dec" => return base(StringBase::Dec),
            "oct" => return base(StringBase::Oct),
            "big" => return endian(Endian::Big),
            "little" => return endian(Endian::Little),
            "dce" => return endian(Endian::Dce),
            _ => match option.strip_prefix("bitmask") {
                Some(mask) => self.bitmask = Some(bitmask(mask)?),
                None => return Ok(false),
            },
        }
        Ok(true)
    }

    fn encoding(&self) -> Result<Encoding> {
        match (self.string, self.base, self.endian) {
            (true, _, Some(Endian::Dce)) => fail!("dce is for numbers in binary, not for strings"),
            (true, base, _) => Ok(Encoding::Text(base.unwrap_or(StringBase::Auto))),
            (false, Some(_), _) => fail!("hex, dec and oct need string"),
            (false, None, endian) => Ok(Encoding::Binary(endian.unwrap_or_default())),
        }
    }
}

fn bitmask(text: &str) -> Result<u32> {
    match unsigned(text).and_then(|mask| u32::try_from(mask).ok()) {
        Some(mask) if mask != 0 => Ok(mask),
        _ => fail!("the bitmask is {:?}, must be from 0x1 to 0xffffffff", text.trim()),
    }
}

/// How many bytes a number may have, by how it is written.
fn check_len(bytes: Value<u8>, encoding: Encoding, least: u8) -> Result<()> {
    let most = match encoding {
        Encoding::Binary(_) => 8,
        Encoding::Text(StringBase::Hex) => 14,
        Encoding::Text(StringBase::Dec) => 20,
        Encoding::Text(StringBase::Oct | StringBase::Auto) => 23,
    };
    match bytes {
        Value::Constant(0) if matches!(encoding, Encoding::Text(_)) => Ok(()),
        Value::Constant(n) if n < least || n > most => {
            fail!("the number has {n} bytes, must have {least} to {most}")
        }
        _ => Ok(()),
    }
}

fn add(b: &mut Builder<'_>, at: NumberAt, found: Match) {
    if at.encoding == Encoding::Binary(Endian::Dce) {
        b.want(AppProto::Dcerpc);
    }
    if at.relative {
        b.add_behind_last(found);
    } else {
        b.add(found);
    }
}

fn byte_test(b: &mut Builder<'_>, value: &str) -> Result<()> {
    let mut parts = unquoted(value)?.split(',').map(str::trim);
    let (Some(bytes), Some(sign), Some(number), Some(offset)) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        fail!("must be bytes,operator,value,offset and options");
    };
    let bytes = b.value("the number of bytes", bytes, 0u8, 23)?;
    let (sign, negated) = match sign.strip_prefix('!') {
        Some(sign) => (sign.trim_start(), true),
        None => (sign, false),
    };
    let operator = match sign {
        "<" => TestOperator::Less,
        ">" => TestOperator::Greater,
        "=" => TestOperator::Equal,
        "" if negated => TestOperator::Equal,
        "<=" => TestOperator::LessOrEqual,
        ">=" => TestOperator::GreaterOrEqual,
        "&" => TestOperator::And,
        "^" => TestOperator::Or,
        other => {
            fail!("the operator {other:?} must be one of < > = <= >= & ^, perhaps with ! before")
        }
    };
    let value = match unsigned(number) {
        Some(number) => Value::Constant(number),
        None => match b.value::<i64>("the value", number, 0, i64::MAX)? {
            Value::Variable(id) => Value::Variable(id),
            Value::Constant(_) => fail!("the value is {number:?}, must be a number from 0"),
        },
    };
    let offset = b.value("the offset", offset, -65535, 65535)?;
    let mut options = Options::default();
    for part in parts {
        if !options.take(part)? {
            fail!("there is no option {part:?}");
        }
    }
    let encoding = options.encoding()?;
    check_len(bytes, encoding, 1)?;
    let at = NumberAt { bytes, offset, relative: options.relative, encoding };
    let test = ByteTest { at, operator, negated, value, bitmask: options.bitmask };
    add(b, at, Match::ByteTest(test));
    Ok(())
}

fn byte_jump(b: &mut Builder<'_>, value: &str) -> Result<()> {
    let mut parts = unquoted(value)?.split(',').map(str::trim);
    let (Some(bytes), Some(offset)) = (parts.next(), parts.next()) else {
        fail!("must be bytes,offset and options");
    };
    let bytes = b.value("the number of bytes", bytes, 0u8, 23)?;
    let offset = b.value("the offset", offset, -65535, 65535)?;
    let mut options = Options::default();
    let (mut multiplier, mut align, mut from) = (1, false, JumpFrom::Here);
    let mut post_offset = Value::Constant(0);
    for part in parts {
        match part {
            "align" => align = true,
            "from_beginning" if from != JumpFrom::End => from = JumpFrom::Beginning,
            "from_end" if from != JumpFrom::Beginning => from = JumpFrom::End,
            "from_beginning" | "from_end" => {
                fail!("from_beginning and from_end exclude each other")
            }
            _ if options.take(part)? => {}
            _ => match part.split_once(char::is_whitespace) {
                Some(("multiplier", n)) => {
                    multiplier = within("the multiplier", n, 1u16, u16::MAX)?
                }
                Some(("post_offset", n)) => {
                    post_offset = b.value("post_offset", n, -65535, 65535)?
                }
                _ => fail!("there is no option {part:?}"),
            },
        }
    }
    let encoding = options.encoding()?;
    check_len(bytes, encoding, 0)?;
    if options.bitmask.is_some() && options.string {
        fail!("a bitmask is for numbers in binary, not for strings");
    }
    let at = NumberAt { bytes, offset, relative: options.relative, encoding };
    let jump = ByteJump { at, bitmask: options.bitmask, multiplier, align, from, post_offset };
    add(b, at, Match::ByteJump(jump));
    Ok(())
}

fn byte_extract(b: &mut Builder<'_>, value: &str) -> Result<()> {
    let mut parts = unquoted(value)?.split(',').map(str::trim);
    let (Some(bytes), Some(offset), Some(name)) = (parts.next(), parts.next(), parts.next()) else {
        fail!("must be bytes,offset,name and options");
    };
    let bytes = Value::Constant(within("the number of bytes", bytes, 0u8, 23)?);
    let offset = Value::Constant(within("the offset", offset, -65535, 65535)?);
    let mut options = Options::default();
    let (mut multiplier, mut align) = (1, None);
    for part in parts {
        if options.take(part)? {
            continue;
        }
        match part.split_once(char::is_whitespace) {
            Some(("multiplier", n)) => multiplier = within("the multiplier", n, 1u16, u16::MAX)?,
            Some(("align", n)) => {
                align = Some(match n.trim() {
                    "2" => 2,
                    "4" => 4,
                    other => fail!("align is {other:?}, must be 2 or 4"),
                });
            }
            _ => fail!("there is no option {part:?}"),
        }
    }
    if options.bitmask.is_some() {
        fail!("it has no bitmask");
    }
    let encoding = options.encoding()?;
    if options.string && options.base.is_none() {
        fail!("string needs hex, dec or oct");
    }
    check_len(bytes, encoding, 1)?;
    let at = NumberAt { bytes, offset, relative: options.relative, encoding };
    let result = b.define(name)?;
    add(b, at, Match::ByteExtract(ByteExtract { at, result, multiplier, align }));
    Ok(())
}

fn byte_math(b: &mut Builder<'_>, value: &str) -> Result<()> {
    let mut options = Options::default();
    let (mut bytes, mut offset, mut operator, mut right, mut name) = (None, None, None, None, None);
    for part in unquoted(value)?.split(',').map(str::trim) {
        let (key, rest) = part.split_once(char::is_whitespace).unwrap_or((part, ""));
        let rest = rest.trim();
        let again = match key {
            "bytes" => bytes.replace(b.value("bytes", rest, 1u8, 10)?).is_some(),
            "offset" => offset.replace(b.value("the offset", rest, -65535, 65535)?).is_some(),
            "oper" => {
                let sign = match rest {
                    "+" => MathOperator::Add,
                    "-" => MathOperator::Subtract,
                    "*" => MathOperator::Multiply,
                    "/" => MathOperator::Divide,
                    "<<" => MathOperator::ShiftLeft,
                    ">>" => MathOperator::ShiftRight,
                    other => fail!("the operator {other:?} must be one of + - * / << >>"),
                };
                operator.replace(sign).is_some()
            }
            "rvalue" => {
                let value = match unsigned(rest).and_then(|n| u32::try_from(n).ok()) {
                    Some(n) if n > 0 => Value::Constant(n),
                    _ => match b.value::<i64>("rvalue", rest, 1, u32::MAX.into())? {
                        Value::Variable(id) => Value::Variable(id),
                        Value::Constant(_) => fail!("rvalue is {rest:?}, must be from 1"),
                    },
                };
                right.replace(value).is_some()
            }
            "result" => name.replace(rest).is_some(),
            "endian" if matches!(rest, "big" | "little") => !options.take(rest)?,
            "string" if matches!(rest, "hex" | "dec" | "oct") => {
                options.string = true;
                !options.take(rest)?
            }
            "relative" | "dce" if rest.is_empty() => !options.take(key)?,
            "bitmask" => !options.take(part)?,
            _ => fail!("there is no option {part:?}"),
        };
        if again {
            fail!("{key} stands twice");
        }
    }
    let (Some(bytes), Some(offset), Some(operator), Some(right), Some(name)) =
        (bytes, offset, operator, right, name)
    else {
        fail!("bytes, offset, oper, rvalue and result must be there");
    };
    let encoding = options.encoding()?;
    if let (Encoding::Binary(_), Value::Constant(n)) = (encoding, bytes)
        && n > 8
    {
        fail!("the number has {n} bytes, must have 1 to 8");
    }
    let shifts = matches!(operator, MathOperator::ShiftLeft | MathOperator::ShiftRight);
    if shifts && !matches!(bytes, Value::Constant(1..=4) | Value::Variable(_)) {
        fail!("a shift is of 1 to 4 bytes");
    }
    let at = NumberAt { bytes, offset, relative: options.relative, encoding };
    let result = b.define(name)?;
    add(b, at, Match::ByteMath(ByteMath { at, operator, right, result, bitmask: options.bitmask }));
    Ok(())
}
