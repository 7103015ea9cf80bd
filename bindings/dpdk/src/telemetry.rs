//! Commands of `dpdk-telemetry.py`: closures under `/umbra/…` that answer with a small tree of values.

use std::collections::HashMap;
use std::ffi::{CStr, CString, c_char};
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::NonNull;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use umbra_dpdk_sys as sys;

use crate::errno::{Errno, check};

/// What a command answers, up to six levels deep; what is deeper is sent as JSON text. A dict has up
/// to 256 entries, an array 512; the rest is left out. The whole answer has room for 16 KiB of JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TelValue {
    /// Names and values. A name has letters, digits, `_` and `/`; other characters become `_`.
    Dict(Vec<(String, TelValue)>),
    /// Values. Those of different kinds are sent as text; with dicts or arrays among them they are sent
    /// as a dict by index, `{"0":…,"1":…}`, since the library takes no dict in an array.
    Array(Vec<TelValue>),
    /// An unsigned number.
    U64(u64),
    /// A signed number; text where the library's int is 32 bits and it does not fit.
    I64(i64),
    /// Text, up to 127 bytes in a dict or array, 8191 alone.
    Text(String),
}

impl From<u64> for TelValue {
    fn from(value: u64) -> Self {
        TelValue::U64(value)
    }
}

impl From<i64> for TelValue {
    fn from(value: i64) -> Self {
        TelValue::I64(value)
    }
}

impl From<&str> for TelValue {
    fn from(value: &str) -> Self {
        TelValue::Text(value.to_owned())
    }
}

impl From<String> for TelValue {
    fn from(value: String) -> Self {
        TelValue::Text(value)
    }
}

impl fmt::Display for TelValue {
    /// As JSON.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TelValue::U64(n) => write!(f, "{n}"),
            TelValue::I64(n) => write!(f, "{n}"),
            TelValue::Text(text) => write_json_string(f, text),
            TelValue::Array(values) => {
                f.write_str("[")?;
                for (i, value) in values.iter().enumerate() {
                    write!(f, "{}{value}", if i > 0 { "," } else { "" })?;
                }
                f.write_str("]")
            }
            TelValue::Dict(entries) => {
                f.write_str("{")?;
                for (i, (name, value)) in entries.iter().enumerate() {
                    f.write_str(if i > 0 { "," } else { "" })?;
                    write_json_string(f, name)?;
                    write!(f, ":{value}")?;
                }
                f.write_str("}")
            }
        }
    }
}

fn write_json_string(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    f.write_str("\"")?;
    for c in text.chars() {
        match c {
            '"' => f.write_str("\\\"")?,
            '\\' => f.write_str("\\\\")?,
            c if c < ' ' => write!(f, "\\u{:04x}", c as u32)?,
            c => write!(f, "{c}")?,
        }
    }
    f.write_str("\"")
}

/// A command could not be registered.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// Not of the form `/word/word`.
    #[error(
        "telemetry command {command:?} is not usable: it starts with /, has letters, digits, _ and /, \
         and up to 55 bytes"
    )]
    Command { command: String },
    /// Refused by the library.
    #[error("cannot register telemetry command {command}: {errno}")]
    Refused { command: String, errno: Errno },
}

type Callback = Arc<dyn Fn(&str) -> TelValue + Send + Sync>;

/// The library passes no pointer of ours to its callback before 24.11, only the command's name.
/// `None`: registered with the library, but taken back here.
static COMMANDS: Mutex<Option<HashMap<String, Option<Callback>>>> = Mutex::new(None);

fn commands() -> MutexGuard<'static, Option<HashMap<String, Option<Callback>>>> {
    COMMANDS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Answers a command, `/umbra/ledger` for example, with what the closure returns; it is called on
/// telemetry's own thread with the parameters, the text behind the first comma. Registering a
/// command again replaces its closure. Works before EAL starts.
///
/// # Errors
/// [`TelemetryError`].
pub fn register<F>(command: &str, help: &str, callback: F) -> Result<(), TelemetryError>
where
    F: Fn(&str) -> TelValue + Send + Sync + 'static,
{
    let usable = command.starts_with('/')
        && command.len() <= 55
        && command.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'/');
    let (true, Ok(c_command)) = (usable, CString::new(command)) else {
        return Err(TelemetryError::Command { command: command.into() });
    };
    let c_help = CString::new(help.replace('\0', " ")).unwrap_or_default();
    let mut guard = commands();
    let known = guard.get_or_insert_default();
    if !known.contains_key(command) {
        // SAFETY: NUL-terminated strings, which the library copies; `answer` lives for ever and
        // does not unwind. It takes the lock that is held here, on a thread that holds none.
        let rc = unsafe {
            sys::rte_telemetry_register_cmd(c_command.as_ptr(), Some(answer), c_help.as_ptr())
        };
        check(rc).map_err(|errno| TelemetryError::Refused { command: command.into(), errno })?;
    }
    known.insert(command.to_owned(), Some(Arc::new(callback)));
    Ok(())
}

/// Takes a command's closure back; the command stays listed and answers null.
pub fn unregister(command: &str) {
    let taken = commands().as_mut().and_then(|known| known.get_mut(command)).and_then(Option::take);
    // Outside the lock: what it captured may take any.
    drop(taken);
}

unsafe extern "C" fn answer(
    command: *const c_char,
    params: *const c_char,
    data: *mut sys::rte_tel_data,
) -> i32 {
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        let (Some(command), Some(data)) = (text_of(command), NonNull::new(data)) else {
            return -libc::EINVAL;
        };
        let callback = commands().as_ref().and_then(|known| known.get(&command)).cloned().flatten();
        let Some(callback) = callback else {
            return -libc::ENOENT;
        };
        // SAFETY: the library's answer object, which is ours until we return.
        unsafe { fill(data, &callback(&text_of(params).unwrap_or_default())) }
    }));
    outcome.unwrap_or_else(|_| {
        log::error!("a telemetry command panicked");
        -libc::EFAULT
    })
}

fn text_of(text: *const c_char) -> Option<String> {
    if text.is_null() {
        return None;
    }
    // SAFETY: the library passes NUL-terminated strings, or NULL for no parameters.
    Some(unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned())
}

/// A C string of at most `max` bytes with its NUL, cut at a character.
fn c_text(text: &str, max: usize) -> CString {
    let mut end = text.len().min(max.saturating_sub(1));
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    CString::new(text[..end].replace('\0', " ")).unwrap_or_default()
}

fn c_name(name: &str) -> CString {
    let name: String = name
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || c == '_' || c == '/' { c } else { '_' })
        .collect();
    c_text(&name, sys::SHIM_TEL_MAX_STRING_LEN.min(64))
}

/// # Safety
/// `data` is a live answer object of the telemetry library that has not been started.
unsafe fn fill(data: NonNull<sys::rte_tel_data>, value: &TelValue) -> i32 {
    let d = data.as_ptr();
    // SAFETY: `d` by the caller; strings are NUL-terminated and copied.
    unsafe {
        match value {
            TelValue::Dict(_) | TelValue::Array(_) => fill_container(d, value, 0),
            TelValue::Text(text) => sys::rte_tel_data_string(
                d,
                c_text(text, sys::SHIM_TEL_MAX_SINGLE_STRING_LEN).as_ptr(),
            ),
            // A number alone is no answer of the protocol.
            TelValue::U64(n) => sys::rte_tel_data_string(d, c_text(&n.to_string(), 32).as_ptr()),
            TelValue::I64(n) => sys::rte_tel_data_string(d, c_text(&n.to_string(), 32).as_ptr()),
        }
    }
}

/// Levels of containers below the top. The header promises arrays of numbers and texts only; the JSON
/// writers of 22.11 and 24.11 go down as deep as there is room in their answer (16 KiB).
const MAX_DEPTH: usize = 6;

/// # Safety
/// As for [`fill`].
unsafe fn fill_container(d: *mut sys::rte_tel_data, value: &TelValue, depth: usize) -> i32 {
    let is_container = |v: &TelValue| matches!(v, TelValue::Dict(_) | TelValue::Array(_));
    // SAFETY: `d` by the caller.
    unsafe {
        match value {
            TelValue::Dict(entries) => {
                fill_dict(d, entries.iter().map(|(name, value)| (c_name(name), value)), depth)
            }
            // The library takes no dict in an array.
            TelValue::Array(values) if values.iter().any(is_container) && depth < MAX_DEPTH => {
                let entries = values.iter().enumerate();
                fill_dict(d, entries.map(|(i, value)| (c_name(&i.to_string()), value)), depth)
            }
            TelValue::Array(values) => fill_array(d, values),
            _ => -libc::EINVAL,
        }
    }
}

/// # Safety
/// As for [`fill`].
unsafe fn fill_dict<'a>(
    d: *mut sys::rte_tel_data,
    entries: impl Iterator<Item = (CString, &'a TelValue)>,
    depth: usize,
) -> i32 {
    // SAFETY: `d` by the caller; strings are NUL-terminated and copied.
    unsafe {
        let mut rc = sys::rte_tel_data_start_dict(d);
        for (name, value) in entries.take(sys::SHIM_TEL_MAX_DICT_ENTRIES) {
            if rc != 0 {
                return rc;
            }
            rc = match value {
                TelValue::U64(n) => sys::shim_tel_add_dict_uint(d, name.as_ptr(), *n),
                TelValue::I64(n) => sys::shim_tel_add_dict_int(d, name.as_ptr(), *n),
                TelValue::Text(text) => sys::rte_tel_data_add_dict_string(
                    d,
                    name.as_ptr(),
                    c_text(text, sys::SHIM_TEL_MAX_STRING_LEN).as_ptr(),
                ),
                nested if depth < MAX_DEPTH => match container(nested, depth + 1) {
                    Ok(c) => adopt(c, sys::rte_tel_data_add_dict_container(d, name.as_ptr(), c, 0)),
                    Err(rc) => rc,
                },
                nested => sys::rte_tel_data_add_dict_string(
                    d,
                    name.as_ptr(),
                    c_text(&nested.to_string(), sys::SHIM_TEL_MAX_STRING_LEN).as_ptr(),
                ),
            };
        }
        rc
    }
}

/// # Safety
/// As for [`fill`].
unsafe fn fill_array(d: *mut sys::rte_tel_data, values: &[TelValue]) -> i32 {
    let is_uint = |v: &TelValue| matches!(v, TelValue::U64(_));
    // SAFETY: reads nothing but its argument.
    let fits = |n: i64| unsafe { sys::shim_tel_int_fits(n) };
    let is_int = |v: &TelValue| matches!(v, TelValue::I64(n) if fits(*n));
    let kind = if values.iter().all(is_uint) {
        sys::SHIM_TEL_UINT
    } else if values.iter().all(is_int) {
        sys::SHIM_TEL_INT
    } else {
        sys::SHIM_TEL_STRING
    };
    // SAFETY: `d` by the caller; strings are NUL-terminated and copied.
    unsafe {
        let mut rc = sys::shim_tel_start_array(d, kind);
        for value in values.iter().take(sys::SHIM_TEL_MAX_ARRAY_ENTRIES) {
            if rc != 0 {
                return rc;
            }
            rc = match value {
                TelValue::U64(n) if kind == sys::SHIM_TEL_UINT => {
                    sys::shim_tel_add_array_uint(d, *n)
                }
                TelValue::I64(n) if kind == sys::SHIM_TEL_INT => sys::shim_tel_add_array_int(d, *n),
                other => {
                    let text = match other {
                        TelValue::Text(text) => text.clone(),
                        other => other.to_string(),
                    };
                    let text = c_text(&text, sys::SHIM_TEL_MAX_STRING_LEN);
                    sys::rte_tel_data_add_array_string(d, text.as_ptr())
                }
            };
        }
        rc
    }
}

/// A new container with a dict or array in it, owned by the caller.
fn container(value: &TelValue, depth: usize) -> Result<*mut sys::rte_tel_data, i32> {
    // SAFETY: allocates; the object is ours until it is added to another or freed here.
    unsafe {
        let c = sys::rte_tel_data_alloc();
        if c.is_null() {
            return Err(-libc::ENOMEM);
        }
        let rc = fill_container(c, value, depth);
        if rc != 0 {
            sys::rte_tel_data_free(c);
            return Err(rc);
        }
        Ok(c)
    }
}

/// Frees a container that was not taken.
///
/// # Safety
/// `container` is ours unless `rc` is zero.
unsafe fn adopt(container: *mut sys::rte_tel_data, rc: i32) -> i32 {
    if rc != 0 {
        // SAFETY: by the caller.
        unsafe { sys::rte_tel_data_free(container) };
    }
    rc
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_cut_at_a_character_and_names_are_made_legal() {
        assert_eq!(c_text("aä", 3).as_bytes(), b"a");
        assert_eq!(c_text("a\0b", 9).as_bytes(), b"a b");
        assert_eq!(c_name("rx-packets.0").as_bytes(), b"rx_packets_0");
    }

    #[test]
    fn trees_print_as_json() {
        let tree = TelValue::Dict(vec![
            ("a".into(), TelValue::Array(vec![1u64.into(), (-2i64).into()])),
            ("b".into(), "say \"hi\"\n".into()),
        ]);
        assert_eq!(tree.to_string(), r#"{"a":[1,-2],"b":"say \"hi\"\u000a"}"#);
    }

    #[test]
    fn commands_outside_the_grammar_are_refused() {
        for command in ["umbra", "/a b", "/é", &format!("/{}", "x".repeat(60))] {
            assert!(register(command, "", |_| 0u64.into()).is_err(), "{command}");
        }
    }
}
