//! DPDK's log as records of the `log` crate, target `dpdk::<type>` (`dpdk::eal`,
//! `dpdk::pmd.net.ring`), from before EAL starts.

use std::cell::RefCell;
use std::ffi::{CString, c_char};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, MutexGuard, Once, PoisonError};

use log::Level;
use umbra_dpdk_sys as sys;

/// Longest line that is kept together; DPDK's own are far shorter.
const MAX_LINE: usize = 8 * 1024;

/// Sends DPDK's log to the `log` crate from now on. [`crate::Eal::init`] does it too.
pub fn install() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        // SAFETY: `receive` has the type that the shim calls, never unwinds, and lives for ever.
        let rc = unsafe { sys::shim_openlog_stream(Some(receive)) };
        if rc != 0 {
            log::warn!("DPDK's log stays on stderr: {}", crate::Errno::from_rc(rc));
        }
    });
}

/// Sets the level of DPDK's log types that match a pattern, as `--log-level=PATTERN:LEVEL` does.
/// `None` turns them off.
///
/// # Errors
/// An errno when the pattern cannot be used.
pub fn set_level(pattern: &str, level: Option<Level>) -> Result<(), crate::Errno> {
    let invalid = crate::Errno::from_rc(-libc::EINVAL);
    let pattern = CString::new(pattern).map_err(|_| invalid)?;
    // RTE_LOG_EMERG is 1; there is no zero that silences, so the lowest stands for off.
    let level = match level {
        None => 1,
        Some(Level::Error) => 4,
        Some(Level::Warn) => 5,
        Some(Level::Info) => 7,
        Some(Level::Debug | Level::Trace) => 8,
    };
    // SAFETY: a NUL-terminated string, which DPDK copies.
    crate::errno::check(unsafe { sys::rte_log_set_level_pattern(pattern.as_ptr(), level) })
}

/// RTE_LOG_EMERG (1), ALERT, CRIT, ERR (4), WARNING (5), NOTICE, INFO (7), DEBUG (8).
fn level_of(level: i32) -> Level {
    match level {
        ..=4 => Level::Error,
        5 => Level::Warn,
        6 | 7 => Level::Info,
        _ => Level::Debug,
    }
}

struct Partial {
    text: Vec<u8>,
    level: i32,
    logtype: i32,
}

thread_local! {
    /// A message may come in pieces; a line is a record.
    static PARTIAL: RefCell<Partial> =
        const { RefCell::new(Partial { text: Vec::new(), level: 0, logtype: 0 }) };
}

unsafe extern "C" fn receive(level: i32, logtype: i32, text: *const c_char, len: usize) {
    // Called from C in the midst of stdio: nothing may unwind through it.
    let _ = catch_unwind(AssertUnwindSafe(|| {
        // SAFETY: the shim passes what stdio passed to its write function: len readable bytes.
        let text = unsafe { std::slice::from_raw_parts(text.cast::<u8>(), len) };
        let lines = PARTIAL
            .try_with(|partial| match partial.try_borrow_mut() {
                Ok(mut partial) => partial.take_lines(level, logtype, text),
                Err(_) => Vec::new(),
            })
            // The thread is on its way out: without its buffer, what there is is a line.
            .unwrap_or_else(|_| vec![(level, logtype, String::from_utf8_lossy(text).into())]);
        for (level, logtype, line) in lines {
            emit(level, logtype, &line);
        }
    }));
}

impl Partial {
    /// Takes what was written, returns the lines that it completes.
    fn take_lines(&mut self, level: i32, logtype: i32, text: &[u8]) -> Vec<(i32, i32, String)> {
        let mut lines = Vec::new();
        if !self.text.is_empty() && (self.level, self.logtype) != (level, logtype) {
            self.flush(&mut lines);
        }
        (self.level, self.logtype) = (level, logtype);
        for piece in text.split_inclusive(|&b| b == b'\n') {
            self.text.extend_from_slice(piece);
            if piece.ends_with(b"\n") || self.text.len() >= MAX_LINE {
                self.flush(&mut lines);
            }
        }
        lines
    }

    fn flush(&mut self, lines: &mut Vec<(i32, i32, String)>) {
        let text = String::from_utf8_lossy(&self.text);
        let line = text.trim_end();
        if !line.is_empty() {
            lines.push((self.level, self.logtype, line.to_owned()));
        }
        self.text.clear();
    }
}

static COMPLAINTS: Mutex<Option<Vec<String>>> = Mutex::new(None);

fn complaints() -> MutexGuard<'static, Option<Vec<String>>> {
    COMPLAINTS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Keeps the errors and warnings of a start of EAL for its error message.
pub(crate) struct Recorder;

impl Recorder {
    pub(crate) fn start() -> Self {
        *complaints() = Some(Vec::new());
        Recorder
    }

    pub(crate) fn finish(self) -> Vec<String> {
        complaints().take().unwrap_or_default()
    }
}

fn emit(level: i32, logtype: i32, line: &str) {
    let level = level_of(level);
    if level <= Level::Warn
        && let Some(kept) = complaints().as_mut()
        && kept.len() < 16
    {
        kept.push(strip_type(line).to_owned());
    }
    if level <= log::max_level() {
        let target = target_of(logtype);
        log::log!(target: &target, level, "{}", strip_type(line));
    }
}

/// `EAL: Cannot …` → `Cannot …`: the target says the type already.
fn strip_type(line: &str) -> &str {
    match line.split_once(": ") {
        Some((head, rest))
            if !rest.is_empty()
                && !head.is_empty()
                && head.bytes().all(|b| b.is_ascii_uppercase() || b"_.".contains(&b)) =>
        {
            rest
        }
        _ => line,
    }
}

/// Names by number; filled from rte_log_dump(), since DPDK has no function that tells one.
static TYPE_NAMES: Mutex<Vec<Option<String>>> = Mutex::new(Vec::new());

fn target_of(logtype: i32) -> String {
    let Ok(index) = usize::try_from(logtype) else {
        return "dpdk".into();
    };
    let mut names = TYPE_NAMES.lock().unwrap_or_else(PoisonError::into_inner);
    if names.get(index).is_none_or(Option::is_none) {
        *names = type_names();
    }
    match names.get(index) {
        Some(Some(name)) => format!("dpdk::{name}"),
        _ => format!("dpdk::type{logtype}"),
    }
}

fn type_names() -> Vec<Option<String>> {
    let mut text = vec![0u8; 64 * 1024];
    // SAFETY: the buffer has the length that is passed.
    let len = unsafe { sys::shim_log_dump(text.as_mut_ptr().cast(), text.len()) };
    text.truncate(len);
    parse_type_names(&String::from_utf8_lossy(&text))
}

/// Lines such as `id 4: lib.eal, level is info`.
fn parse_type_names(dump: &str) -> Vec<Option<String>> {
    let mut names = Vec::new();
    for line in dump.lines() {
        let Some((id, rest)) = line.strip_prefix("id ").and_then(|l| l.split_once(": ")) else {
            continue;
        };
        let (Ok(id), Some((name, _))) = (id.parse::<usize>(), rest.split_once(", level")) else {
            continue;
        };
        if id < 4096 {
            names.resize(names.len().max(id + 1), None);
            names[id] = Some(name.strip_prefix("lib.").unwrap_or(name).to_owned());
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    fn partial() -> Partial {
        Partial { text: Vec::new(), level: 0, logtype: 0 }
    }

    #[test]
    fn a_line_in_pieces_is_one_record() {
        let mut partial = partial();
        assert!(partial.take_lines(7, 0, b"EAL: half ").is_empty());
        let lines = partial.take_lines(7, 0, b"a line\nand ");
        assert_eq!(lines, [(7, 0, "EAL: half a line".to_owned())]);
        let lines = partial.take_lines(4, 9, b"another\n");
        assert_eq!(lines, [(7, 0, "and".to_owned()), (4, 9, "another".to_owned())]);
        assert!(partial.take_lines(4, 9, b"\n\n").is_empty(), "empty lines say nothing");
    }

    #[test]
    fn a_line_without_an_end_is_cut() {
        let mut partial = partial();
        let lines = partial.take_lines(7, 0, &vec![b'x'; MAX_LINE + 1]);
        assert_eq!(lines.len(), 1);
    }

    #[test]
    fn type_names_are_read_from_the_dump() {
        let dump = "global log level is debug\nid 0: lib.eal, level is info\n\
                    id 3: pmd.net.ring, level is notice\nnonsense\n";
        let names = parse_type_names(dump);
        assert_eq!(names, [Some("eal".into()), None, None, Some("pmd.net.ring".into())]);
    }

    #[test]
    fn the_leading_type_is_stripped() {
        assert_eq!(strip_type("EAL: Detected 2 lcores"), "Detected 2 lcores");
        assert_eq!(strip_type("eth_dev_x(): bad"), "eth_dev_x(): bad");
        assert_eq!(strip_type("EAL: "), "EAL: ");
    }
}
