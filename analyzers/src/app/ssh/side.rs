//! One heading's stream: a banner, then records up to NEWKEYS.

use super::transaction::{BANNER, PROPOSAL, SshTransaction};
use super::{SshConfig, proposal};
use crate::app::backlog::Backlog;
use crate::app::{COMPLETE, Heading, ParseError};

/// A banner of so many bytes is too long (RFC 4253, 4.2: at most 255 with the line's end).
const BANNER_TOO_LONG: usize = 256;
/// What of it is looked at.
const BANNER_LIMIT: usize = 2048;
const LEN_LEN: usize = 4;
/// Length, length of padding, number of the message.
const HEADER_LEN: usize = 6;
/// What of it the length counts.
const COUNTED_LEN: u32 = 2;
/// The longest proposal that is put together.
const PROPOSAL_LIMIT: u32 = 65_535;

mod message {
    pub(super) const KEXINIT: u8 = 20;
    pub(super) const NEWKEYS: u8 = 21;
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Banner,
    /// Behind a banner that is too long, up to the end of its line.
    BannerRest,
    /// An LF still belongs to the banner.
    BehindCr,
    Records,
    /// Nobody can read what follows.
    Encrypted,
    Dead,
}

/// One heading's reader.
#[derive(Debug, Default)]
pub(super) struct Side {
    state: State,
    /// What could not be read yet: at most a proposal.
    backlog: Backlog,
    /// Bytes of a record that are to come and are of no interest.
    skip: u64,
}

impl Side {
    pub(super) fn data(
        &mut self,
        heading: Heading,
        data: &[u8],
        config: SshConfig,
        transaction: &mut SshTransaction,
    ) -> Result<(), ParseError> {
        let mut backlog = std::mem::take(&mut self.backlog);
        let result = backlog.feed(data, |rest| self.step(heading, rest, config, transaction));
        self.backlog = backlog;
        result
    }

    fn step(
        &mut self,
        heading: Heading,
        rest: &[u8],
        config: SshConfig,
        transaction: &mut SshTransaction,
    ) -> Result<Option<usize>, ParseError> {
        match self.state {
            State::Encrypted | State::Dead => Ok(Some(rest.len())),
            State::BannerRest => Ok(Some(match memchr::memchr2(b'\r', b'\n', rest) {
                Some(end) => self.line_end(rest, end),
                None => rest.len(),
            })),
            State::BehindCr => {
                self.state = State::Records;
                Ok(Some(usize::from(rest.first() == Some(&b'\n'))))
            }
            State::Banner => self.banner(heading, rest, transaction),
            State::Records if self.skip > 0 => {
                let len = usize::try_from(self.skip).unwrap_or(usize::MAX).min(rest.len());
                self.skip -= len as u64;
                Ok(Some(len))
            }
            State::Records => self.record(heading, rest, config, transaction),
        }
    }

    fn banner(
        &mut self,
        heading: Heading,
        rest: &[u8],
        transaction: &mut SshTransaction,
    ) -> Result<Option<usize>, ParseError> {
        let head = rest.get(..BANNER_LIMIT).unwrap_or(rest);
        let end = memchr::memchr2(b'\r', b'\n', head);
        let too_long = end.unwrap_or(head.len()) >= BANNER_TOO_LONG;
        let is_one = head.starts_with(b"SSH-");
        if too_long && is_one {
            transaction.event("ssh.long_banner");
        }
        if end.is_none() && head.len() < BANNER_LIMIT && (is_one || !too_long) {
            return Ok(None);
        }
        let line = head.get(..end.unwrap_or(head.len())).unwrap_or(head);
        if transaction.banner(heading, line) {
            transaction.advance(heading, BANNER);
            return Ok(Some(match end {
                Some(end) => self.line_end(rest, end),
                None => {
                    self.state = State::BannerRest;
                    head.len()
                }
            }));
        }
        transaction.event("ssh.invalid_banner");
        self.state = State::Dead;
        Err(ParseError { reason: "an invalid SSH banner" })
    }

    /// CR and LF end a line, each for itself and together.
    fn line_end(&mut self, rest: &[u8], end: usize) -> usize {
        let is_cr = rest.get(end) == Some(&b'\r');
        self.state = if is_cr { State::BehindCr } else { State::Records };
        end + 1
    }

    fn record(
        &mut self,
        heading: Heading,
        rest: &[u8],
        config: SshConfig,
        transaction: &mut SshTransaction,
    ) -> Result<Option<usize>, ParseError> {
        let Some(&len) = rest.first_chunk::<LEN_LEN>() else { return Ok(None) };
        let len = u32::from_be_bytes(len);
        let Some(body_len) = len.checked_sub(COUNTED_LEN) else {
            transaction.event("ssh.invalid_record");
            self.state = State::Dead;
            return Err(ParseError { reason: "an SSH record without contents" });
        };
        let Some(&[.., number]) = rest.first_chunk::<HEADER_LEN>() else { return Ok(None) };
        match number {
            message::NEWKEYS => {
                self.state = State::Encrypted;
                transaction.advance(heading, COMPLETE);
                return Ok(Some(rest.len()));
            }
            message::KEXINIT if config.hassh && len < PROPOSAL_LIMIT => {
                let end = HEADER_LEN + body_len as usize;
                let Some(body) = rest.get(HEADER_LEN..end) else { return Ok(None) };
                if let Some(hassh) = proposal::read(body, heading == Heading::ToServer) {
                    transaction.proposal(heading, hassh);
                }
                transaction.advance(heading, PROPOSAL);
                return Ok(Some(end));
            }
            message::KEXINIT if config.hassh => transaction.event("ssh.long_kex_record"),
            _ => {}
        }
        self.skip = body_len.into();
        Ok(Some(HEADER_LEN))
    }

    /// A hole in what is not read anyway does no harm.
    pub(super) fn gap(&mut self, len: u64) -> Result<(), ParseError> {
        match (self.state, self.skip.checked_sub(len)) {
            (State::Encrypted | State::Dead, _) => Ok(()),
            (State::Records, Some(left)) if self.backlog.is_empty() => {
                self.skip = left;
                Ok(())
            }
            _ => {
                self.state = State::Dead;
                self.backlog.clear();
                Err(ParseError { reason: "a gap in an SSH stream" })
            }
        }
    }

    /// Nothing will follow. What there is of a banner that is too long is one.
    pub(super) fn end(&mut self, heading: Heading, transaction: &mut SshTransaction) {
        if self.state == State::Banner && self.backlog.bytes().len() >= BANNER_TOO_LONG {
            transaction.banner(heading, self.backlog.bytes());
        }
        self.backlog.clear();
    }

    pub(super) fn is_in_banner(&self) -> bool {
        matches!(self.state, State::Banner | State::BannerRest)
    }

    pub(super) fn is_encrypted(&self) -> bool {
        self.state == State::Encrypted
    }

    pub(super) fn memory_bytes(&self) -> usize {
        self.backlog.memory_bytes()
    }
}
