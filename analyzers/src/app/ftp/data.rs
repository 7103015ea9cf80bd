//! A data connection: what comes on it is a file, or a list of files.

use serde_json::{Map, Value, json};

use crate::app::text::text;
use crate::app::{
    AppProto, Buffer, BufferView, COMPLETE, Expected, FILE_DATA_LIMIT, File, FileState, Heading,
    ParseError, Parser, Transaction,
};
use crate::events::Timestamp;

/// Something came.
const BEGUN: u8 = 1;

/// What came on a data connection.
#[derive(Debug)]
pub struct FtpDataTransaction {
    heading: Heading,
    command: &'static str,
    files: Vec<File>,
    /// Something came the way it should.
    found: bool,
    ended: [bool; 2],
}

/// Reads a data connection.
#[derive(Debug)]
pub struct FtpData {
    transaction: FtpDataTransaction,
    begun: bool,
    released: bool,
}

impl FtpData {
    /// For a connection that was announced.
    #[must_use]
    pub fn new(expected: Expected) -> Self {
        let Expected { heading, command, file_name, .. } = expected;
        let file = file_name.map(|name| File::open(name, heading == Heading::ToServer));
        let transaction = FtpDataTransaction {
            heading,
            command,
            files: file.into_iter().collect(),
            found: false,
            ended: [false; 2],
        };
        Self { transaction, begun: false, released: false }
    }

    fn file(&mut self, heading: Heading) -> Option<&mut File> {
        self.begun = true;
        let transaction = &mut self.transaction;
        transaction.found |= heading == transaction.heading;
        transaction.files.first_mut().filter(|_| heading == transaction.heading)
    }
}

impl Parser for FtpData {
    fn protocol(&self) -> AppProto {
        AppProto::FtpData
    }

    fn data(&mut self, heading: Heading, data: &[u8], _now: Timestamp) -> Result<(), ParseError> {
        if let Some(file) = self.file(heading) {
            let limit = if file.gaps { 0 } else { FILE_DATA_LIMIT };
            file.append(data, limit);
        }
        Ok(())
    }

    fn gap(&mut self, heading: Heading, len: u64, _now: Timestamp) -> Result<(), ParseError> {
        if let Some(file) = self.file(heading) {
            file.lose(len);
        }
        Ok(())
    }

    fn end(&mut self, heading: Heading, _now: Timestamp) {
        let transaction = &mut self.transaction;
        transaction.ended[heading.index()] = true;
        if heading == transaction.heading {
            transaction.files.iter_mut().for_each(File::close);
        }
    }

    fn first(&self) -> u64 {
        self.released.into()
    }

    fn next(&self) -> u64 {
        self.begun.into()
    }

    fn transaction(&self, number: u64) -> Option<&dyn Transaction> {
        (number == 0 && self.begun && !self.released).then_some(&self.transaction as _)
    }

    fn release(&mut self, number: u64) {
        if number > 0 && self.begun && !self.released {
            self.released = true;
            self.transaction.files = Vec::new();
        }
    }

    fn memory_bytes(&self) -> usize {
        let files = self.transaction.files.iter();
        size_of::<Self>() + files.map(|file| file.data.capacity() + file.name.len()).sum::<usize>()
    }
}

impl Transaction for FtpDataTransaction {
    fn progress(&self, heading: Heading) -> u8 {
        if self.ended[heading.index()] { COMPLETE } else { BEGUN }
    }

    fn stage(&self, _buffer: Buffer, _heading: Heading) -> u8 {
        BEGUN
    }

    /// The command is there both ways, the file only where it goes.
    fn buffer(&self, buffer: Buffer, heading: Heading, index: usize) -> Option<BufferView<'_>> {
        if buffer == Buffer::FtpdataCommand {
            return (index == 0).then_some(BufferView::whole(self.command.as_bytes()));
        }
        let file = self.files.get(index).filter(|_| self.found && heading == self.heading)?;
        match buffer {
            Buffer::FileName => Some(BufferView::whole(&file.name)),
            Buffer::FileData => Some(BufferView {
                bytes: &file.data,
                offset: 0,
                complete: file.state != FileState::Open || file.size > file.data.len() as u64,
            }),
            _ => None,
        }
    }

    fn events(&self) -> &[&'static str] {
        &[]
    }

    fn record(&self) -> Map<String, Value> {
        let mut object = Map::new();
        // What came only the wrong way is not what was announced.
        if self.found {
            if let Some(file) = self.files.first() {
                object.insert("filename".to_owned(), text(&file.name));
            }
            object.insert("command".to_owned(), json!(self.command));
        }
        object
    }

    fn files(&self) -> &[File] {
        if self.found { &self.files } else { &[] }
    }
}

#[cfg(test)]
mod tests {
    use Heading::{ToClient, ToServer};

    use super::*;

    const NOW: Timestamp = Timestamp(0);

    fn retr(file_name: Option<&[u8]>) -> FtpData {
        FtpData::new(Expected {
            address: None,
            port: 20,
            opens: ToServer,
            heading: ToClient,
            protocol: AppProto::FtpData,
            command: if file_name.is_some() { "RETR" } else { "LIST" },
            file_name: file_name.map(<[u8]>::to_vec),
        })
    }

    #[test]
    fn a_data_connection_is_a_file() {
        let mut data = retr(Some(b"a.txt"));
        assert_eq!(data.next(), 0);
        data.data(ToClient, b"one", NOW).unwrap();
        data.data(ToClient, b"two", NOW).unwrap();
        let transaction = data.transaction(0).unwrap();
        assert_eq!(transaction.files()[0].state, FileState::Open);
        let view =
            |heading| transaction.buffer(Buffer::FileData, heading, 0).map(|view| view.bytes);
        assert_eq!((view(ToClient), view(ToServer)), (Some(&b"onetwo"[..]), None));
        let command = transaction.buffer(Buffer::FtpdataCommand, ToServer, 0).unwrap();
        assert_eq!(command.bytes, b"RETR");
        data.end(ToClient, NOW);
        let transaction = data.transaction(0).unwrap();
        let expected = json!({"filename": "a.txt", "command": "RETR"});
        assert_eq!(Value::Object(transaction.record()), expected);
        assert_eq!(
            (transaction.files()[0].state, transaction.files()[0].size),
            (FileState::Closed, 6)
        );
        assert_eq!(transaction.progress(ToClient), COMPLETE);
        data.release(1);
        assert_eq!((data.first(), data.next()), (1, 1));
    }

    #[test]
    fn lists_holes_and_the_wrong_way() {
        let mut data = retr(None);
        data.data(ToClient, b"total 0", NOW).unwrap();
        let transaction = data.transaction(0).unwrap();
        assert_eq!(Value::Object(transaction.record()), json!({"command": "LIST"}));
        assert!(transaction.files().is_empty());
        let mut data = retr(Some(b"a"));
        data.data(ToServer, b"x", NOW).unwrap();
        let transaction = data.transaction(0).unwrap();
        assert_eq!(Value::Object(transaction.record()), json!({}));
        assert!(transaction.files().is_empty());
        data.data(ToClient, b"one", NOW).unwrap();
        data.gap(ToClient, 10, NOW).unwrap();
        data.data(ToClient, b"two", NOW).unwrap();
        data.end(ToClient, NOW);
        let file = &data.transaction(0).unwrap().files()[0];
        assert_eq!(
            (file.data.as_slice(), file.size, file.state),
            (&b"one"[..], 16, FileState::Truncated)
        );
    }
}
