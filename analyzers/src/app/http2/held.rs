//! The transactions that are held, and which stream each is.

use std::collections::{HashMap, VecDeque};

use super::super::{Heading, ParseError};
use super::config::Http2Config;
use super::transaction::Http2Transaction;

/// Transactions, held or forgotten, from the first that is held on: beyond so many, streams that are open for
/// long are ended, as they keep the others from being released.
const WINDOW: usize = 2048;
/// And beyond so many there is no parsing any more.
const LIMIT: usize = 16_384;

/// Transactions by number.
#[derive(Debug, Default)]
pub(super) struct Held {
    first: u64,
    /// `None`: forgotten.
    all: VecDeque<Option<Box<Http2Transaction>>>,
    /// Numbers by stream.
    streams: HashMap<u32, u64>,
    open: usize,
}

impl Held {
    pub(super) fn first(&self) -> u64 {
        self.first
    }

    pub(super) fn next(&self) -> u64 {
        self.first + self.all.len() as u64
    }

    fn place(&self, number: u64) -> Option<usize> {
        usize::try_from(number.checked_sub(self.first)?).ok()
    }

    pub(super) fn get(&self, number: u64) -> Option<&Http2Transaction> {
        self.all.get(self.place(number)?)?.as_deref()
    }

    pub(super) fn get_mut(&mut self, number: u64) -> Option<&mut Http2Transaction> {
        let place = self.place(number)?;
        self.all.get_mut(place)?.as_deref_mut()
    }

    /// The last one, whatever its stream.
    pub(super) fn last_mut(&mut self) -> Option<&mut Http2Transaction> {
        self.all.iter_mut().rev().flatten().next().map(Box::as_mut)
    }

    /// The transaction of a frame: the stream's, else a new one. `begins`: the frame begins streams.
    pub(super) fn of_stream(
        &mut self,
        stream: u32,
        begins: bool,
        config: &Http2Config,
    ) -> Result<u64, ParseError> {
        let known = self.streams.get(&stream).copied().filter(|_| stream != 0);
        if let Some(number) = known
            && let Some(transaction) = self.get_mut(number)
        {
            if !begins || !transaction.is_closed() {
                return Ok(number);
            }
            transaction.event("http2.stream_id_reuse");
        }
        self.add(Http2Transaction::of_stream(stream), config)
    }

    pub(super) fn add(
        &mut self,
        transaction: Http2Transaction,
        config: &Http2Config,
    ) -> Result<u64, ParseError> {
        if self.all.len() >= LIMIT {
            return Err(ParseError { reason: "too many transactions at a time" });
        }
        let too_many = transaction.open && self.open >= config.streams_limit;
        if too_many || (self.all.len() >= WINDOW && self.all.len().is_multiple_of(WINDOW / 8)) {
            self.end_all_open(config);
        }
        let number = self.next();
        if transaction.open {
            self.open += 1;
            self.streams.insert(transaction.stream, number);
        }
        self.all.push_back(Some(Box::new(transaction)));
        Ok(number)
    }

    fn end_all_open(&mut self, config: &Http2Config) {
        for transaction in self.all.iter_mut().flatten().filter(|transaction| transaction.open) {
            transaction.event("http2.too_many_streams");
            for heading in Heading::ALL {
                transaction.end(heading, false, config);
            }
            transaction.open = false;
        }
        self.open = 0;
    }

    /// A transaction may be over.
    pub(super) fn settle(&mut self, number: u64) {
        if let Some(transaction) = self.get_mut(number)
            && transaction.open
            && transaction.is_closed()
        {
            transaction.open = false;
            self.open = self.open.saturating_sub(1);
        }
    }

    /// Nothing more will come in a heading.
    pub(super) fn end(&mut self, heading: Heading, config: &Http2Config) {
        for transaction in self.all.iter_mut().flatten() {
            transaction.end(heading, false, config);
        }
        for number in self.first..self.next() {
            self.settle(number);
        }
    }

    /// Bodies that are being decoded.
    pub(super) fn decoders(&self) -> usize {
        self.all.iter().flatten().map(|transaction| transaction.decoders()).sum()
    }

    fn drop_stream(&mut self, number: u64) {
        if let Some(stream) = self.get(number).map(|transaction| transaction.stream)
            && self.streams.get(&stream) == Some(&number)
        {
            self.streams.remove(&stream);
        }
        if let Some(transaction) = self.get(number)
            && transaction.open
        {
            self.open = self.open.saturating_sub(1);
        }
    }

    pub(super) fn release(&mut self, number: u64) {
        while self.first < number && !self.all.is_empty() {
            self.drop_stream(self.first);
            self.all.pop_front();
            self.first += 1;
        }
    }

    pub(super) fn forget(&mut self, number: u64) {
        self.drop_stream(number);
        if let Some(place) = self.place(number)
            && let Some(transaction) = self.all.get_mut(place)
        {
            *transaction = None;
        }
    }

    pub(super) fn memory_bytes(&self) -> usize {
        self.all.capacity() * size_of::<usize>()
            + self.streams.capacity() * 16
            + self.all.iter().flatten().map(|held| held.memory_bytes()).sum::<usize>()
    }
}
