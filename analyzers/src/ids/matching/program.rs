//! An inspection, compiled.

use std::sync::Arc;

use super::content::Literal;
use super::context::{MatchContext, View};
use super::dataset::{Datasets, Set};
use super::pcre::Expression;
use super::{compile, run};
use crate::ids::rule::ast::{
    Base64Decode, ByteExtract, ByteJump, ByteMath, ByteTest, Compare, DatasetCommand, Entropy,
    Inspection, IsDataAt, Rule,
};

/// What an inspection looks for, ready to run. Transforms are not in it: it runs over what they made.
#[derive(Debug)]
pub(crate) struct Program {
    pub(super) ops: Box<[Op]>,
    /// The rule's inspections of what `base64_decode` makes, where that is among `ops`. They are run in its
    /// place, since where they fail it may be that it is done again elsewhere.
    pub(super) base64: Box<[Program]>,
    /// It is of `base64_data` itself.
    pub(super) of_base64: bool,
    pub(super) wants_absence: bool,
    pub(super) needs_whole: bool,
}

/// One match.
#[derive(Debug)]
pub(super) enum Op {
    Content(Literal),
    Pcre(Expression),
    ByteTest(ByteTest),
    ByteJump(ByteJump),
    ByteExtract(ByteExtract),
    ByteMath(ByteMath),
    IsDataAt(IsDataAt),
    Size(Compare<u64>),
    Base64Decode(Base64Decode),
    Entropy(Entropy),
    /// Whether it holds where the buffer is there.
    Absent(bool),
    Dataset(Arc<Set>, DatasetCommand),
}

impl Program {
    /// Compiles what `inspection`, which is one of `rule`, looks for.
    ///
    /// # Errors
    /// What does not compile, in a sentence for the rule's report.
    pub(crate) fn compile(
        rule: &Rule,
        inspection: &Inspection,
        datasets: &mut Datasets,
    ) -> Result<Self, String> {
        compile::compile(rule, inspection, datasets)
    }

    /// Whether all hold in this buffer.
    ///
    /// A program of `base64_data` has been run by that with `base64_decode`, and tells what came of it.
    pub(crate) fn holds(&self, buffer: &View<'_>, context: &mut MatchContext) -> bool {
        if self.of_base64 && context.base64().is_some() {
            return context.base64_holds();
        }
        run::holds(self, buffer, context)
    }

    /// Whether it can hold where the buffer is not there at all: only `absent` does.
    pub(crate) fn wants_absence(&self) -> bool {
        self.wants_absence
    }

    /// Whether more bytes could undo that it holds, so that it is to be asked of the complete buffer:
    /// `bsize` and `urilen` with an upper bound, `endswith`, negated contents, expressions and `isdataat`, expressions
    /// with `$`, `\z` or `\Z`, jumps from the end, entropy up to the end, sets, and transforms that are not
    /// of single bytes. (`bsize:>N` holds as soon as there are so many.)
    ///
    /// Suricata waits like this only for buffers that it has in one piece; of a stream it asks each piece.
    pub(crate) fn needs_whole(&self) -> bool {
        self.needs_whole
    }
}
