//! From the instances' threads to the one thread that writes: bounded, and never a wait for the live run.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam::channel::{Receiver, RecvTimeoutError, Sender, TrySendError, bounded};

use super::writer::{EveWriter, WriterCounters};

/// Lines that may wait for the writer.
const QUEUE_LINES: usize = 16 * 1024;
/// Bytes that may wait for the writer, whatever the lines are.
const QUEUE_BYTES: usize = 64 * 1024 * 1024;
/// Buffers above this size are freed instead of used again: one huge record must not stay for ever.
const KEEP_BYTES: usize = 64 * 1024;
const FLUSH_EVERY: Duration = Duration::from_millis(500);

/// What all lines of one output go through.
#[derive(Debug)]
struct Shared {
    /// Bytes in the queue; written by senders (up) and the writer (down).
    queued_bytes: AtomicUsize,
    /// Lines refused because the queue was full; written by senders.
    dropped: AtomicU64,
    /// Set by a signal handler or the control thread, taken by the writer.
    reopen: Arc<AtomicBool>,
    lines: AtomicU64,
    bytes: AtomicU64,
    lost_lines: AtomicU64,
    errors: AtomicU64,
}

/// Counters of an EVE output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct EveCounters {
    /// What became of the lines that reached the writer.
    pub written: WriterCounters,
    /// Lines dropped in front of it because it did not keep up (`eve_dropped`).
    pub dropped: u64,
}

/// One EVE file with its writer thread. Dropping it writes what is queued and ends the thread.
#[derive(Debug)]
pub struct EveOutput {
    lines: Option<Sender<Vec<u8>>>,
    recycled: Receiver<Vec<u8>>,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

/// Gives lines to an [`EveOutput`]; one per thread, cheap to clone.
#[derive(Debug, Clone)]
pub struct LineSender {
    lines: Sender<Vec<u8>>,
    recycled: Receiver<Vec<u8>>,
    shared: Arc<Shared>,
}

impl EveOutput {
    /// Opens the file for appending and starts its writer.
    ///
    /// # Errors
    /// When the file cannot be opened or the thread not be started.
    pub fn start(path: &Path) -> io::Result<Self> {
        Self::with_writer(EveWriter::append(path)?, QUEUE_LINES)
    }

    fn with_writer(writer: EveWriter, queue_lines: usize) -> io::Result<Self> {
        let (lines, queue) = bounded(queue_lines);
        let (give_back, recycled) = bounded(queue_lines.min(1024));
        let shared = Arc::new(Shared {
            queued_bytes: AtomicUsize::new(0),
            dropped: AtomicU64::new(0),
            reopen: Arc::new(AtomicBool::new(false)),
            lines: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            lost_lines: AtomicU64::new(0),
            errors: AtomicU64::new(0),
        });
        let for_thread = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("umbra-eve".to_owned())
            .spawn(move || write_all(writer, &queue, &give_back, &for_thread))?;
        Ok(Self { lines: Some(lines), recycled, shared, thread: Some(thread) })
    }

    /// A sender for one thread; `None` once [`Self::finish`] has been called.
    pub fn sender(&self) -> Option<LineSender> {
        Some(LineSender {
            lines: self.lines.clone()?,
            recycled: self.recycled.clone(),
            shared: Arc::clone(&self.shared),
        })
    }

    /// A flag that asks for the file to be opened anew (log rotation): set it from a signal handler.
    pub fn reopen_flag(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.shared.reopen)
    }

    pub fn counters(&self) -> EveCounters {
        counters(&self.shared)
    }

    /// Writes what is queued, once every [`LineSender`] is gone, and ends the thread.
    pub fn finish(&mut self) -> EveCounters {
        self.lines = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            log::error!("the EVE writer panicked; records after that are lost");
        }
        self.counters()
    }
}

impl Drop for EveOutput {
    fn drop(&mut self) {
        self.lines = None;
        // Joined only if nobody can send any more: a sender left in a hung instance must not hang the end.
        if Arc::strong_count(&self.shared) <= 2 {
            self.finish();
        }
    }
}

fn counters(shared: &Shared) -> EveCounters {
    EveCounters {
        written: WriterCounters {
            lines: shared.lines.load(Ordering::Relaxed),
            bytes: shared.bytes.load(Ordering::Relaxed),
            lost_lines: shared.lost_lines.load(Ordering::Relaxed),
            errors: shared.errors.load(Ordering::Relaxed),
        },
        dropped: shared.dropped.load(Ordering::Relaxed),
    }
}

impl LineSender {
    /// An empty buffer, used before where there is one.
    pub fn buffer(&self) -> Vec<u8> {
        self.recycled.try_recv().unwrap_or_else(|_| Vec::with_capacity(1024))
    }

    /// Hands a line over, or drops and counts it when the queue is full. Never waits.
    pub fn offer(&self, line: Vec<u8>) {
        let len = line.len();
        if self.shared.queued_bytes.fetch_add(len, Ordering::Relaxed) + len > QUEUE_BYTES {
            self.refused(len);
            return;
        }
        match self.lines.try_send(line) {
            Ok(()) => {}
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => self.refused(len),
        }
    }

    fn refused(&self, len: usize) {
        self.shared.queued_bytes.fetch_sub(len, Ordering::Relaxed);
        self.shared.dropped.fetch_add(1, Ordering::Relaxed);
    }

    pub fn counters(&self) -> EveCounters {
        counters(&self.shared)
    }
}

fn write_all(
    mut writer: EveWriter,
    queue: &Receiver<Vec<u8>>,
    give_back: &Sender<Vec<u8>>,
    shared: &Shared,
) {
    loop {
        let received = queue.recv_timeout(FLUSH_EVERY);
        if shared.reopen.swap(false, Ordering::AcqRel) {
            match writer.reopen() {
                Ok(()) => log::info!("{} opened anew", writer.path().display()),
                Err(e) => log::error!(
                    "cannot open {} anew, the old file stays in use: {e}",
                    writer.path().display()
                ),
            }
        }
        match received {
            Ok(mut line) => {
                shared.queued_bytes.fetch_sub(line.len(), Ordering::Relaxed);
                writer.line(&line);
                if line.capacity() <= KEEP_BYTES {
                    line.clear();
                    // A full pool means that there are buffers enough.
                    let _ = give_back.try_send(line);
                }
                if queue.is_empty() {
                    // Nothing waits: let readers who follow the file see it now.
                    writer.flush();
                }
            }
            Err(RecvTimeoutError::Timeout) => writer.flush(),
            Err(RecvTimeoutError::Disconnected) => {
                writer.flush();
                publish(&writer, shared);
                return;
            }
        }
        publish(&writer, shared);
    }
}

fn publish(writer: &EveWriter, shared: &Shared) {
    let now = writer.counters();
    shared.lines.store(now.lines, Ordering::Relaxed);
    shared.bytes.store(now.bytes, Ordering::Relaxed);
    shared.lost_lines.store(now.lost_lines, Ordering::Relaxed);
    shared.errors.store(now.errors, Ordering::Relaxed);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_many_threads_arrive_whole_and_are_counted() {
        let directory = tempfile::tempdir().expect("temporary directory");
        let path = directory.path().join("eve.json");
        let mut output = EveOutput::start(&path).expect("start");
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let sender = output.sender().expect("open");
                scope.spawn(move || {
                    for i in 0..1000 {
                        let mut line = sender.buffer();
                        line.extend_from_slice(
                            format!("{{\"t\":{thread},\"i\":{i}}}\n").as_bytes(),
                        );
                        sender.offer(line);
                    }
                });
            }
        });
        let counters = output.finish();
        assert_eq!(counters.written.lines + counters.dropped, 4000);
        let content = std::fs::read_to_string(&path).expect("content");
        assert_eq!(content.lines().count() as u64, counters.written.lines);
        for line in content.lines() {
            serde_json::from_str::<serde_json::Value>(line).expect("a whole line");
        }
    }

    #[test]
    fn full_queue_drops_and_counts_instead_of_waiting() {
        let shared = Arc::new(Shared {
            queued_bytes: AtomicUsize::new(0),
            dropped: AtomicU64::new(0),
            reopen: Arc::default(),
            lines: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            lost_lines: AtomicU64::new(0),
            errors: AtomicU64::new(0),
        });
        let (lines, queue) = bounded(2);
        let (_give_back, recycled) = bounded(1);
        let sender = LineSender { lines, recycled, shared };
        for _ in 0..5 {
            sender.offer(b"line\n".to_vec());
        }
        assert_eq!(sender.counters().dropped, 3);
        assert_eq!(sender.shared.queued_bytes.load(Ordering::Relaxed), 10);
        drop(queue.recv());
        sender.offer(vec![0; QUEUE_BYTES + 1]);
        assert_eq!(sender.counters().dropped, 4, "a line beyond all bounds");
    }

    #[test]
    fn reopen_flag_moves_the_output_to_a_new_file() {
        let directory = tempfile::tempdir().expect("temporary directory");
        let path = directory.path().join("eve.json");
        let mut output = EveOutput::start(&path).expect("start");
        let sender = output.sender().expect("open");
        sender.offer(b"old\n".to_vec());
        while sender.counters().written.lines == 0 {
            std::thread::yield_now();
        }
        std::fs::rename(&path, directory.path().join("eve.json.1")).expect("rename");
        output.reopen_flag().store(true, Ordering::Release);
        sender.offer(b"new\n".to_vec());
        drop(sender);
        output.finish();
        assert_eq!(std::fs::read(&path).expect("new file"), b"new\n");
    }
}
