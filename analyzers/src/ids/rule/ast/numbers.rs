//! Numbers read from a buffer: `byte_test`, `byte_jump`, `byte_extract`, `byte_math`.

use super::{Value, VarId};

/// Where and how a number is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct NumberAt {
    /// How many bytes. 0: of text as many digits as there are; in binary (only `byte_jump`) no number, which
    /// counts as 0.
    pub bytes: Value<u8>,
    pub offset: Value<i32>,
    /// From the end of the match before.
    pub relative: bool,
    pub encoding: Encoding,
}

/// How digits or bytes make a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Encoding {
    Binary(Endian),
    Text(StringBase),
}

/// Order of bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Endian {
    #[default]
    Big,
    Little,
    /// `dce`: as the DCE/RPC header says.
    Dce,
}

/// `string` with `hex`, `dec` or `oct`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StringBase {
    Hex,
    Dec,
    Oct,
    /// `string` alone: as C's strtoul does it, by a leading 0x or 0.
    Auto,
}

/// `byte_test`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ByteTest {
    pub at: NumberAt,
    pub operator: TestOperator,
    pub negated: bool,
    pub value: Value<u64>,
    /// The number is taken under this mask and moved down by its trailing zeros.
    pub bitmask: Option<u32>,
}

/// How `byte_test` compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TestOperator {
    Less,
    Greater,
    Equal,
    LessOrEqual,
    GreaterOrEqual,
    /// `&`
    And,
    /// `^`
    Or,
}

/// `byte_jump`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ByteJump {
    pub at: NumberAt,
    pub bitmask: Option<u32>,
    pub multiplier: u16,
    /// Up to a multiple of 4.
    pub align: bool,
    pub from: JumpFrom,
    pub post_offset: Value<i32>,
}

/// Where a jump begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum JumpFrom {
    /// Behind the number.
    #[default]
    Here,
    /// `from_beginning`
    Beginning,
    /// `from_end`
    End,
}

/// `byte_extract`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ByteExtract {
    pub at: NumberAt,
    pub result: VarId,
    pub multiplier: u16,
    /// Up to a multiple of 2 or 4.
    pub align: Option<u8>,
}

/// `byte_math`: 32 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ByteMath {
    pub at: NumberAt,
    pub operator: MathOperator,
    pub right: Value<u32>,
    pub result: VarId,
    pub bitmask: Option<u32>,
}

/// What `byte_math` does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MathOperator {
    Add,
    Subtract,
    Multiply,
    Divide,
    ShiftLeft,
    ShiftRight,
}
