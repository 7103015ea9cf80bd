//! The EVE file: whole lines appended, reopened on demand, a full disk survived.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Buffered lines are written once there are this many bytes of them, or on [`EveWriter::flush`].
const BUFFER_BYTES: usize = 64 * 1024;
const COMPLAIN_EVERY: Duration = Duration::from_secs(60);

/// What became of the lines given to an [`EveWriter`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct WriterCounters {
    /// Lines that the file took.
    pub lines: u64,
    /// Bytes of those lines.
    pub bytes: u64,
    /// Lines lost to failed writes.
    pub lost_lines: u64,
    /// Writes that failed.
    pub errors: u64,
}

/// Appends JSON lines to a file. Only whole lines reach it: every write ends at a line's end, and what a
/// failing disk took of a line is cut off again. Errors are counted and logged once a minute, never
/// returned: no disk may stop an analyzer.
#[derive(Debug)]
pub struct EveWriter<F = File> {
    path: PathBuf,
    file: F,
    buffer: Vec<u8>,
    buffered_lines: u64,
    /// A line's beginning that could not be cut off stands at the file's end.
    torn: bool,
    counters: WriterCounters,
    complained: Option<Instant>,
}

/// What the writer needs of a file beside writing: cutting off its last bytes.
pub trait LineFile: Write {
    /// Removes the last `count` bytes.
    ///
    /// # Errors
    /// When the file cannot be cut, for instance because it is a pipe.
    fn cut(&mut self, count: u64) -> io::Result<()>;
}

impl LineFile for File {
    fn cut(&mut self, count: u64) -> io::Result<()> {
        let len = self.metadata()?.len();
        self.set_len(len.saturating_sub(count))
    }
}

impl EveWriter<File> {
    /// Opens `path` for appending, making it and its directory where they are missing.
    ///
    /// # Errors
    /// When the directory or the file cannot be made or opened.
    pub fn append(path: &Path) -> io::Result<Self> {
        Ok(Self::over(path, open(path, false)?))
    }

    /// As [`Self::append`], but begins with an empty file.
    ///
    /// # Errors
    /// When the directory or the file cannot be made or opened.
    pub fn create(path: &Path) -> io::Result<Self> {
        Ok(Self::over(path, open(path, true)?))
    }

    /// Opens the path again, after log rotation has moved the file away. If that fails the old file stays
    /// in use, so that nothing is lost.
    ///
    /// # Errors
    /// When the path cannot be opened.
    pub fn reopen(&mut self) -> io::Result<()> {
        self.flush();
        self.file = open(&self.path, false)?;
        self.torn = false;
        Ok(())
    }
}

impl<F: LineFile> EveWriter<F> {
    /// A writer over a file that is already open; `path` is for messages.
    pub fn over(path: &Path, file: F) -> Self {
        Self {
            path: path.to_owned(),
            file,
            buffer: Vec::with_capacity(BUFFER_BYTES + 4096),
            buffered_lines: 0,
            torn: false,
            counters: WriterCounters::default(),
            complained: None,
        }
    }

    /// Takes one line, which must end with its newline and have no other.
    pub fn line(&mut self, line: &[u8]) {
        debug_assert!(line.ends_with(b"\n"));
        self.buffer.extend_from_slice(line);
        self.buffered_lines += 1;
        if self.buffer.len() >= BUFFER_BYTES {
            self.flush();
        }
    }

    /// Hands what is buffered to the file.
    pub fn flush(&mut self) {
        if self.buffer.is_empty() {
            return;
        }
        let mut written = 0;
        let mut failure = None;
        if self.torn {
            match self.file.write(b"\n") {
                Ok(1..) => self.torn = false,
                Ok(_) => failure = Some(io::ErrorKind::WriteZero.into()),
                Err(e) => failure = Some(e),
            }
        }
        while failure.is_none() && written < self.buffer.len() {
            match self.file.write(&self.buffer[written..]) {
                Ok(0) => failure = Some(io::ErrorKind::WriteZero.into()),
                Ok(n) => written += n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => failure = Some(e),
            }
        }
        match failure {
            None => {
                self.counters.lines += self.buffered_lines;
                self.counters.bytes += self.buffer.len() as u64;
            }
            Some(error) => self.failed(written, &error),
        }
        self.buffer.clear();
        self.buffered_lines = 0;
    }

    /// Cuts off the part of a line that got through, counts, complains now and then.
    fn failed(&mut self, written: usize, error: &io::Error) {
        let through = &self.buffer[..written];
        let whole = through.iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at + 1);
        let lines = through[..whole].iter().filter(|&&byte| byte == b'\n').count() as u64;
        let torn_bytes = (written - whole) as u64;
        if torn_bytes > 0 && self.file.cut(torn_bytes).is_err() {
            self.torn = true;
        }
        self.counters.lines += lines;
        self.counters.bytes += whole as u64;
        self.counters.lost_lines += self.buffered_lines - lines;
        self.counters.errors += 1;
        let now = Instant::now();
        if self.complained.is_none_or(|last| now.duration_since(last) >= COMPLAIN_EVERY) {
            self.complained = Some(now);
            log::error!(
                "cannot write {}: {error}; {} lines lost so far, {} written: free some space or move [outputs].directory",
                self.path.display(),
                self.counters.lost_lines,
                self.counters.lines
            );
        }
    }

    /// What became of the lines so far; buffered ones count nowhere yet.
    pub fn counters(&self) -> WriterCounters {
        self.counters
    }

    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl<F> Drop for EveWriter<F> {
    /// Flushing is left to the owner, who can then still read the counters.
    fn drop(&mut self) {
        debug_assert!(
            self.buffer.is_empty() || std::thread::panicking(),
            "an EVE writer was dropped with lines in its buffer: flush it first"
        );
    }
}

fn open(path: &Path, empty: bool) -> io::Result<File> {
    if let Some(directory) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        std::fs::create_dir_all(directory)?;
    }
    let file = OpenOptions::new().create(true).append(true).open(path)?;
    if empty {
        // Append mode and truncation do not go together in one open; a pipe has nothing to cut.
        let _ = file.set_len(0);
    }
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes `room` bytes, then fails until it gets more room.
    #[derive(Debug, Default)]
    struct SmallDisk {
        content: Vec<u8>,
        room: usize,
        can_cut: bool,
    }

    impl Write for SmallDisk {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let fits = bytes.len().min(self.room);
            if fits == 0 {
                return Err(io::ErrorKind::StorageFull.into());
            }
            self.content.extend_from_slice(&bytes[..fits]);
            self.room -= fits;
            Ok(fits)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl LineFile for SmallDisk {
        fn cut(&mut self, count: u64) -> io::Result<()> {
            if !self.can_cut {
                return Err(io::ErrorKind::Unsupported.into());
            }
            self.content.truncate(self.content.len() - count as usize);
            Ok(())
        }
    }

    fn disk(room: usize, can_cut: bool) -> EveWriter<SmallDisk> {
        EveWriter::over(Path::new("eve.json"), SmallDisk { room, can_cut, ..Default::default() })
    }

    #[test]
    fn full_disk_loses_whole_lines_and_counts_them() {
        let mut writer = disk(9, true);
        for line in [b"aaaa\n", b"bbbb\n", b"cccc\n"] {
            writer.line(line);
        }
        writer.flush();
        assert_eq!(writer.file.content, b"aaaa\n");
        let counters = writer.counters();
        assert_eq!((counters.lines, counters.lost_lines, counters.errors), (1, 2, 1));
        writer.file.room = 100;
        writer.line(b"dddd\n");
        writer.flush();
        assert_eq!(writer.file.content, b"aaaa\ndddd\n");
        assert_eq!((writer.counters().lines, writer.counters().bytes), (2, 10));
    }

    #[test]
    fn torn_line_that_cannot_be_cut_gets_its_newline_before_the_next() {
        let mut writer = disk(7, false);
        writer.line(b"aaaa\n");
        writer.line(b"bbbb\n");
        writer.flush();
        assert_eq!(writer.file.content, b"aaaa\nbb");
        writer.line(b"cccc\n");
        writer.flush();
        assert_eq!(writer.file.content, b"aaaa\nbb", "still full");
        writer.file.room = 100;
        writer.line(b"dddd\n");
        writer.flush();
        assert_eq!(writer.file.content, b"aaaa\nbb\ndddd\n");
        let counters = writer.counters();
        assert_eq!((counters.lines, counters.lost_lines, counters.errors), (2, 2, 2));
    }

    #[test]
    fn lines_reach_the_file_by_size_without_a_flush() {
        let mut writer = disk(usize::MAX, true);
        let line = [vec![b'x'; 999], b"\n".to_vec()].concat();
        for _ in 0..66 {
            writer.line(&line);
        }
        assert_eq!(writer.file.content.len(), 66_000);
        writer.flush();
        assert_eq!(writer.counters().lines, 66);
    }

    #[test]
    fn reopened_writer_goes_on_in_a_new_file_and_the_moved_one_is_whole() {
        let directory = tempfile::tempdir().expect("temporary directory");
        let path = directory.path().join("log/umbra/eve.json");
        let moved = directory.path().join("log/umbra/eve.json.1");
        let mut writer = EveWriter::append(&path).expect("directories are made");
        writer.line(b"one\n");
        std::fs::rename(&path, &moved).expect("rename");
        writer.line(b"two\n");
        writer.reopen().expect("reopen");
        writer.line(b"three\n");
        writer.flush();
        assert_eq!(std::fs::read(&moved).expect("moved"), b"one\ntwo\n");
        assert_eq!(std::fs::read(&path).expect("new"), b"three\n");
    }

    #[test]
    fn append_keeps_and_create_empties_what_was_there() {
        let directory = tempfile::tempdir().expect("temporary directory");
        let path = directory.path().join("eve.json");
        for (expected, create) in [("x\n", false), ("x\nx\n", false), ("x\n", true)] {
            let open = if create { EveWriter::create } else { EveWriter::append };
            let mut writer = open(&path).expect("open");
            writer.line(b"x\n");
            writer.flush();
            assert_eq!(std::fs::read_to_string(&path).expect("content"), expected);
        }
    }

    #[test]
    fn failed_reopen_keeps_the_old_file() {
        let directory = tempfile::tempdir().expect("temporary directory");
        let path = directory.path().join("sub/eve.json");
        let mut writer = EveWriter::append(&path).expect("open");
        std::fs::rename(directory.path().join("sub"), directory.path().join("away")).expect("move");
        std::fs::write(directory.path().join("sub"), b"a file where the directory was")
            .expect("file");
        assert!(writer.reopen().is_err());
        writer.line(b"kept\n");
        writer.flush();
        let kept = std::fs::read(directory.path().join("away/eve.json")).expect("old file");
        assert_eq!(kept, b"kept\n");
    }
}
