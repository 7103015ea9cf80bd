//! Multi-pattern matching with vectorscan, safely.
//!
//! A [`Database`] is compiled once, immutable and shared by all threads; a [`Scratch`] is what one thread
//! scans with. Matches come as `(id, end)` through a closure that says whether to go on.
//!
//! ```
//! use umbra_hs::{Database, Literal, Next, Scratch};
//!
//! let database = Database::literals(&[Literal { id: 7, bytes: b"umbra", nocase: true }]).unwrap();
//! let mut scratch = Scratch::for_database(&database).unwrap();
//! let mut ends = Vec::new();
//! database.scan(b"Umbra, umbra", &mut scratch, |_, end| { ends.push(end); Next::GoOn }).unwrap();
//! assert_eq!(ends, [5, 12]);
//! ```

use std::ffi::{CStr, CString, c_char, c_int, c_uint, c_ulonglong, c_void};
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::ptr::{self, NonNull};

use umbra_hs_sys as sys;

/// What the library refuses.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HsError {
    /// Nothing to look for: a database of no patterns cannot be made.
    #[error("there is no pattern to compile")]
    NoPatterns,
    /// An empty literal would match everywhere.
    #[error("the literal with id {id} is empty; at least one byte is needed")]
    EmptyLiteral { id: u32 },
    /// The library's compiler.
    #[error("pattern {pattern:?} does not compile: {message}")]
    Compile {
        /// Id of the pattern, where it is one pattern's fault.
        pattern: Option<u32>,
        /// In the library's words.
        message: String,
    },
    /// No memory.
    #[error("vectorscan could not allocate memory")]
    NoMemory,
    /// The processor lacks what this build of the library needs.
    #[error("this processor lacks SSSE3 or SSE4.2, which vectorscan needs")]
    Platform,
    /// More bytes than one scan can take.
    #[error("{len} bytes are too many for one scan; at most {}", u32::MAX)]
    TooLong { len: usize },
    /// A serialized database of another version, processor or file.
    #[error("a stored database cannot be used: {reason}")]
    Stored { reason: &'static str },
    /// Anything else; a fault in this crate or in the library.
    #[error("vectorscan returned {code}")]
    Internal { code: i32 },
}

fn check(code: sys::hs_error_t) -> Result<(), HsError> {
    match code {
        sys::HS_SUCCESS => Ok(()),
        sys::HS_NOMEM => Err(HsError::NoMemory),
        sys::HS_ARCH_ERROR => Err(HsError::Platform),
        sys::HS_DB_VERSION_ERROR => Err(HsError::Stored { reason: "made by another version" }),
        sys::HS_DB_PLATFORM_ERROR => {
            Err(HsError::Stored { reason: "made for another kind of processor" })
        }
        code => Err(HsError::Internal { code }),
    }
}

/// Bytes to look for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Literal<'a> {
    /// Comes back with its matches; several may share one.
    pub id: u32,
    /// Any bytes, at least one.
    pub bytes: &'a [u8],
    /// ASCII letters match in either case.
    pub nocase: bool,
}

/// A regular expression in the library's dialect of PCRE.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expression<'a> {
    /// Comes back with its matches.
    pub id: u32,
    /// The expression, without delimiters; bytes other than ASCII as `\xNN`.
    pub pattern: &'a str,
    /// `i`
    pub nocase: bool,
    /// `s`
    pub dot_all: bool,
    /// `m`
    pub multi_line: bool,
    /// At most one match a scan.
    pub single_match: bool,
}

/// What a match's closure wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Further matches.
    GoOn,
    /// No more of this scan.
    Stop,
}

/// How a scan ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scanned {
    /// All bytes were looked at.
    Whole,
    /// The closure said [`Next::Stop`].
    Stopped,
}

/// Compiled patterns for scans of blocks of bytes.
pub struct Database {
    raw: NonNull<sys::hs_database_t>,
}

// SAFETY: a database is immutable after compilation; the library documents that any number of threads may
// scan with the same one, each with a scratch of its own.
unsafe impl Send for Database {}
// SAFETY: as above.
unsafe impl Sync for Database {}

impl std::fmt::Debug for Database {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Database").field("bytes", &self.memory_bytes()).finish()
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        // SAFETY: `raw` came from the library, is freed once, and nothing borrows it any more.
        unsafe { sys::hs_free_database(self.raw.as_ptr()) };
    }
}

impl Database {
    /// Compiles literals.
    ///
    /// # Errors
    ///
    /// If there is none or one is empty; if the library lacks memory or the processor instructions.
    pub fn literals(literals: &[Literal<'_>]) -> Result<Self, HsError> {
        if let Some(empty) = literals.iter().find(|l| l.bytes.is_empty()) {
            return Err(HsError::EmptyLiteral { id: empty.id });
        }
        // The interface for literals takes one that begins with NUL for an empty text.
        if literals.iter().any(|l| l.bytes.first() == Some(&0)) {
            return Self::escaped(literals);
        }
        let patterns: Vec<*const c_char> =
            literals.iter().map(|l| l.bytes.as_ptr().cast()).collect();
        let lengths: Vec<usize> = literals.iter().map(|l| l.bytes.len()).collect();
        let flags: Vec<c_uint> = literals
            .iter()
            .map(|l| if l.nocase { sys::HS_FLAG_CASELESS.cast_unsigned() } else { 0 })
            .collect();
        let ids: Vec<c_uint> = literals.iter().map(|l| l.id).collect();
        let count = count_of(literals.len())?;
        compiled(&ids, |database, error| {
            // SAFETY: the four arrays have `count` entries, each pattern as many bytes as its length says;
            // the library copies what it keeps. The outputs are valid for writing.
            unsafe {
                sys::hs_compile_lit_multi(
                    patterns.as_ptr(),
                    flags.as_ptr(),
                    ids.as_ptr(),
                    lengths.as_ptr(),
                    count,
                    sys::HS_MODE_BLOCK.cast_unsigned(),
                    ptr::null(),
                    database,
                    error,
                )
            }
        })
    }

    /// Literals as the expressions that match them, byte by byte.
    fn escaped(literals: &[Literal<'_>]) -> Result<Self, HsError> {
        let texts: Vec<String> = literals
            .iter()
            .map(|l| l.bytes.iter().map(|byte| format!("\\x{byte:02x}")).collect())
            .collect();
        let expressions: Vec<_> = literals
            .iter()
            .zip(&texts)
            .map(|(l, pattern)| Expression {
                id: l.id,
                pattern,
                nocase: l.nocase,
                dot_all: false,
                multi_line: false,
                single_match: false,
            })
            .collect();
        Self::expressions(&expressions)
    }

    /// Compiles regular expressions.
    ///
    /// # Errors
    ///
    /// If there is none, or one is not in the library's dialect (look-around and back-references are not).
    pub fn expressions(expressions: &[Expression<'_>]) -> Result<Self, HsError> {
        let mut texts = Vec::with_capacity(expressions.len());
        for e in expressions {
            let text = CString::new(e.pattern).map_err(|_| HsError::Compile {
                pattern: Some(e.id),
                message: "a NUL byte in the expression; write \\x00".into(),
            })?;
            texts.push(text);
        }
        let patterns: Vec<*const c_char> = texts.iter().map(|t| t.as_ptr()).collect();
        let flags: Vec<c_uint> = expressions.iter().map(|e| e.flags()).collect();
        let ids: Vec<c_uint> = expressions.iter().map(|e| e.id).collect();
        let count = count_of(expressions.len())?;
        compiled(&ids, |database, error| {
            // SAFETY: the arrays have `count` entries, the patterns are terminated by NUL and live until
            // the call is over; a null table of extended parameters is documented to be none.
            unsafe {
                sys::hs_compile_ext_multi(
                    patterns.as_ptr(),
                    flags.as_ptr(),
                    ids.as_ptr(),
                    ptr::null(),
                    count,
                    sys::HS_MODE_BLOCK.cast_unsigned(),
                    ptr::null(),
                    database,
                    error,
                )
            }
        })
    }

    /// Looks at `data`. Matches come in the order of their ends; several at the same end in any order.
    ///
    /// # Errors
    ///
    /// If there are more bytes than one scan can take.
    ///
    /// # Panics
    ///
    /// If `on_match` does.
    pub fn scan<F: FnMut(u32, usize) -> Next>(
        &self,
        data: &[u8],
        scratch: &mut Scratch,
        on_match: F,
    ) -> Result<Scanned, HsError> {
        let len = c_uint::try_from(data.len()).map_err(|_| HsError::TooLong { len: data.len() })?;
        let mut caller = Caller { on_match, panic: None };
        // SAFETY: `data` is `len` readable bytes; the scratch is ours alone by `&mut` and, by
        // `Scratch::fit`, was sized for this database or is refused by the library; the context outlives
        // the call and is what `deliver::<F>` expects.
        let code = unsafe {
            sys::hs_scan(
                self.raw.as_ptr(),
                data.as_ptr().cast(),
                len,
                0,
                scratch.raw.as_ptr(),
                Some(deliver::<F>),
                ptr::from_mut(&mut caller).cast(),
            )
        };
        if let Some(panic) = caller.panic {
            resume_unwind(panic);
        }
        match code {
            sys::HS_SCAN_TERMINATED => Ok(Scanned::Stopped),
            code => check(code).map(|()| Scanned::Whole),
        }
    }

    /// Bytes in memory.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        let mut size = 0;
        // SAFETY: `raw` is a database, `size` valid for writing.
        let code = unsafe { sys::hs_database_size(self.raw.as_ptr(), &raw mut size) };
        if code == sys::HS_SUCCESS { size } else { 0 }
    }

    /// The database as bytes that [`from_bytes`](Self::from_bytes) takes on the same kind of processor.
    ///
    /// # Errors
    ///
    /// If there is no memory.
    pub fn to_bytes(&self) -> Result<Vec<u8>, HsError> {
        let (mut bytes, mut len) = (ptr::null_mut(), 0);
        // SAFETY: `raw` is a database; the outputs are valid for writing.
        check(unsafe {
            sys::hs_serialize_database(self.raw.as_ptr(), &raw mut bytes, &raw mut len)
        })?;
        // SAFETY: on success the library wrote `len` bytes at `bytes`, ours to free; its default
        // allocator, which nobody here replaces, is malloc.
        unsafe {
            let copy = std::slice::from_raw_parts(bytes.cast::<u8>(), len).to_vec();
            libc::free(bytes.cast());
            Ok(copy)
        }
    }

    /// A database from [`to_bytes`](Self::to_bytes).
    ///
    /// # Safety
    ///
    /// The library checks version, processor and a checksum, but not that nobody forged the bytes: they must
    /// come from `to_bytes`, by way of a place that only the owner of this process can write to.
    ///
    /// # Errors
    ///
    /// If they are of another version of the library, another kind of processor, or damaged.
    pub unsafe fn from_bytes(bytes: &[u8]) -> Result<Self, HsError> {
        let mut database = ptr::null_mut();
        // SAFETY: `bytes` is readable at its length; the output is valid for writing. That the content is
        // a database is the caller's word.
        let code = unsafe {
            sys::hs_deserialize_database(bytes.as_ptr().cast(), bytes.len(), &raw mut database)
        };
        if code == sys::HS_INVALID {
            return Err(HsError::Stored { reason: "damaged" });
        }
        check(code)?;
        NonNull::new(database).map(|raw| Self { raw }).ok_or(HsError::NoMemory)
    }
}

impl Expression<'_> {
    fn flags(&self) -> c_uint {
        let mut flags = 0;
        for (set, flag) in [
            (self.nocase, sys::HS_FLAG_CASELESS),
            (self.dot_all, sys::HS_FLAG_DOTALL),
            (self.multi_line, sys::HS_FLAG_MULTILINE),
            (self.single_match, sys::HS_FLAG_SINGLEMATCH),
        ] {
            if set {
                flags |= flag.cast_unsigned();
            }
        }
        flags
    }
}

fn count_of(len: usize) -> Result<c_uint, HsError> {
    match c_uint::try_from(len) {
        Ok(0) | Err(_) => Err(HsError::NoPatterns),
        Ok(count) => Ok(count),
    }
}

/// Runs a compile function and takes what it made, or what it says is wrong.
fn compiled(
    ids: &[c_uint],
    compile: impl FnOnce(*mut *mut sys::hs_database_t, *mut *mut sys::hs_compile_error_t) -> c_int,
) -> Result<Database, HsError> {
    let (mut database, mut error) = (ptr::null_mut(), ptr::null_mut());
    let code = compile(&raw mut database, &raw mut error);
    if let Some(error) = NonNull::new(error) {
        // SAFETY: the library made the error, its message is terminated by NUL; freed once, after the
        // last use.
        let made = unsafe {
            let seen = error.as_ref();
            let message = CStr::from_ptr(seen.message).to_string_lossy().into_owned();
            let at = usize::try_from(seen.expression).ok().and_then(|at| ids.get(at)).copied();
            sys::hs_free_compile_error(error.as_ptr());
            HsError::Compile { pattern: at, message }
        };
        return Err(made);
    }
    check(code)?;
    NonNull::new(database).map(|raw| Database { raw }).ok_or(HsError::NoMemory)
}

/// The closure of a scan, and the panic that it ended with: none may unwind through C.
struct Caller<F> {
    on_match: F,
    panic: Option<Box<dyn std::any::Any + Send>>,
}

unsafe extern "C" fn deliver<F: FnMut(u32, usize) -> Next>(
    id: c_uint,
    _from: c_ulonglong,
    to: c_ulonglong,
    _flags: c_uint,
    context: *mut c_void,
) -> c_int {
    // SAFETY: `scan::<F>` passes its `Caller<F>`, which nobody else touches during the scan.
    let caller = unsafe { &mut *context.cast::<Caller<F>>() };
    match catch_unwind(AssertUnwindSafe(|| (caller.on_match)(id, to as usize))) {
        Ok(Next::GoOn) => 0,
        Ok(Next::Stop) => 1,
        Err(panic) => {
            caller.panic = Some(panic);
            1
        }
    }
}

/// What one thread scans with; for any number of databases that it was made to [fit](Self::fit).
pub struct Scratch {
    raw: NonNull<sys::hs_scratch_t>,
    /// One scan at a time: not to be shared.
    _not_sync: PhantomData<*mut ()>,
}

// SAFETY: a scratch belongs to no thread; it must only not be used by two at the same time, which `&mut`
// rules out.
unsafe impl Send for Scratch {}

impl std::fmt::Debug for Scratch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Scratch").finish_non_exhaustive()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // SAFETY: ours, freed once, and not in use.
        unsafe { sys::hs_free_scratch(self.raw.as_ptr()) };
    }
}

impl Scratch {
    /// Enough for scans of `database`.
    ///
    /// # Errors
    ///
    /// If there is no memory.
    pub fn for_database(database: &Database) -> Result<Self, HsError> {
        let mut raw = ptr::null_mut();
        // SAFETY: `database` is one; a null scratch is documented to be allocated.
        check(unsafe { sys::hs_alloc_scratch(database.raw.as_ptr(), &raw mut raw) })?;
        let raw = NonNull::new(raw).ok_or(HsError::NoMemory)?;
        Ok(Self { raw, _not_sync: PhantomData })
    }

    /// Makes it enough for scans of `database` too.
    ///
    /// # Errors
    ///
    /// If there is no memory; it is then still good for what it was.
    pub fn fit(&mut self, database: &Database) -> Result<(), HsError> {
        let mut raw = self.raw.as_ptr();
        // SAFETY: both are valid; the library may move the scratch and then says where it is.
        let code = unsafe { sys::hs_alloc_scratch(database.raw.as_ptr(), &raw mut raw) };
        if let Some(raw) = NonNull::new(raw) {
            self.raw = raw;
        }
        check(code)
    }

    /// Another of the same size, for another thread.
    ///
    /// # Errors
    ///
    /// If there is no memory.
    pub fn try_clone(&self) -> Result<Self, HsError> {
        let mut raw = ptr::null_mut();
        // SAFETY: the source is valid and not in use, by `&self` and `!Sync`.
        check(unsafe { sys::hs_clone_scratch(self.raw.as_ptr(), &raw mut raw) })?;
        let raw = NonNull::new(raw).ok_or(HsError::NoMemory)?;
        Ok(Self { raw, _not_sync: PhantomData })
    }
}

/// Version of the library, as it states it.
#[must_use]
pub fn version() -> String {
    // SAFETY: a static text terminated by NUL.
    unsafe { CStr::from_ptr(sys::hs_version()) }.to_string_lossy().into_owned()
}

/// Whether the library runs on this processor.
///
/// # Errors
///
/// [`HsError::Platform`].
pub fn supported() -> Result<(), HsError> {
    // SAFETY: no arguments.
    check(unsafe { sys::hs_valid_platform() })
}
