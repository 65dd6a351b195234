//! libpq itself, asked what it makes of a connection string or a server.

use std::collections::BTreeMap;
use std::ffi::{CStr, CString, c_char, c_int};
use std::fs;
use std::path::{Path, PathBuf};
use std::ptr;

use anyhow::{Context, Result};
use libloading::os::unix::{Library, RTLD_GLOBAL, RTLD_LAZY};

/// A loaded libpq. It stays loaded until the process ends.
#[derive(Debug)]
pub struct Libpq {
    library: Library,
    _neighbours: Vec<Library>,
}

/// One key that libpq knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keyword {
    /// Its name.
    pub name: String,
    /// The environment variable that stands in for it.
    pub variable: Option<String>,
}

/// How libpq got in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// Whether over TLS.
    pub encrypted: bool,
}

/// `PQconninfoOption` of libpq-fe.h.
#[repr(C)]
struct ConninfoOption {
    keyword: *mut c_char,
    envvar: *mut c_char,
    compiled: *mut c_char,
    val: *mut c_char,
    label: *mut c_char,
    dispchar: *mut c_char,
    dispsize: c_int,
}

/// `PGconn`, of which nothing is known.
#[repr(C)]
struct Connection {
    _private: [u8; 0],
}

type ConninfoParse = unsafe extern "C" fn(*const c_char, *mut *mut c_char) -> *mut ConninfoOption;
type Conndefaults = unsafe extern "C" fn() -> *mut ConninfoOption;
type ConninfoFree = unsafe extern "C" fn(*mut ConninfoOption);
type Freemem = unsafe extern "C" fn(*mut c_char);
type Connectdb = unsafe extern "C" fn(*const c_char) -> *mut Connection;
type OfConnection<T> = unsafe extern "C" fn(*mut Connection) -> T;

impl Libpq {
    /// Loads the libpq that is in `directory`, with the libraries beside it, which it needs.
    ///
    /// # Errors
    ///
    /// When there is none, or it cannot be loaded.
    pub fn load(directory: &Path) -> Result<Self> {
        let mut waiting: Vec<PathBuf> =
            fs::read_dir(directory)?.flatten().map(|entry| entry.path()).collect();
        waiting.sort();
        let is_libpq = |path: &PathBuf| {
            path.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.starts_with("libpq"))
        };
        let at = waiting.iter().position(is_libpq).context("there is no libpq in the directory")?;
        let libpq = waiting.remove(at);
        let mut neighbours = Vec::new();
        // Some need others, in an order that only trying tells.
        loop {
            let before = waiting.len();
            waiting.retain(|path| match open(path) {
                Ok(library) => {
                    neighbours.push(library);
                    false
                }
                Err(_) => true,
            });
            if waiting.is_empty() || waiting.len() == before {
                break;
            }
        }
        let library = open(&libpq).with_context(|| format!("{} cannot be loaded", libpq.display()))?;
        Ok(Self { library, _neighbours: neighbours })
    }

    /// What a string says by itself (`PQconninfoParse`): its keys with their values, or libpq's message.
    ///
    /// # Errors
    ///
    /// When libpq lacks a function, or the string has a NUL inside.
    pub fn conninfo_parse(&self, conninfo: &str) -> Result<Result<BTreeMap<String, String>, String>> {
        let conninfo = CString::new(conninfo)?;
        let parse = self.function::<ConninfoParse>("PQconninfoParse")?;
        let mut message = ptr::null_mut();
        // SAFETY: the string ends with a NUL, and `message` is a place for a pointer, which libpq fills or leaves.
        let options = unsafe { parse(conninfo.as_ptr(), &raw mut message) };
        if options.is_null() {
            let said = text(message).unwrap_or_default();
            // SAFETY: libpq allocated the message, and this is how it wants it back.
            unsafe { self.function::<Freemem>("PQfreemem")?(message) };
            return Ok(Err(said));
        }
        let said =
            walk(options).filter_map(|option| Some((text(option.keyword)?, text(option.val)?))).collect();
        self.free(options)?;
        Ok(Ok(said))
    }

    /// All keys that libpq knows (`PQconndefaults`).
    ///
    /// # Errors
    ///
    /// When libpq lacks the function.
    pub fn keywords(&self) -> Result<Vec<Keyword>> {
        // SAFETY: the function takes nothing.
        let options = unsafe { self.function::<Conndefaults>("PQconndefaults")?() };
        let keywords = walk(options)
            .filter_map(|option| Some(Keyword { name: text(option.keyword)?, variable: text(option.envvar) }))
            .collect();
        self.free(options)?;
        Ok(keywords)
    }

    /// Connects (`PQconnectdb`) and closes again: how it got in, or libpq's message. This blocks.
    ///
    /// # Errors
    ///
    /// When libpq lacks a function, or the string has a NUL inside.
    pub fn connect(&self, conninfo: &str) -> Result<Result<Session, String>> {
        let conninfo = CString::new(conninfo)?;
        let connect = self.function::<Connectdb>("PQconnectdb")?;
        let status = self.function::<OfConnection<c_int>>("PQstatus")?;
        let message = self.function::<OfConnection<*mut c_char>>("PQerrorMessage")?;
        let in_use = self.function::<OfConnection<c_int>>("PQsslInUse")?;
        let finish = self.function::<OfConnection<()>>("PQfinish")?;
        // SAFETY: the string ends with a NUL; libpq gives a connection, which is used by these functions only, by this thread
        // alone, and not after it is finished. The message is copied before that.
        unsafe {
            let connection = connect(conninfo.as_ptr());
            let outcome = if status(connection) == 0 {
                Ok(Session { encrypted: in_use(connection) != 0 })
            } else {
                Err(text(message(connection)).unwrap_or_default())
            };
            finish(connection);
            Ok(outcome)
        }
    }

    fn function<T: Copy>(&self, name: &str) -> Result<T> {
        // SAFETY: each caller names a function of libpq-fe.h together with the type that it has there.
        let found = unsafe { self.library.get::<T>(name.as_bytes()) };
        found.map(|function| *function).with_context(|| format!("libpq has no {name}"))
    }

    fn free(&self, options: *mut ConninfoOption) -> Result<()> {
        // SAFETY: libpq allocated the options, and nothing refers to them any more.
        unsafe { self.function::<ConninfoFree>("PQconninfoFree")?(options) };
        Ok(())
    }
}

fn open(path: &Path) -> Result<Library> {
    // SAFETY: the libraries are those of a package of Python's, whose initialisers do nothing but set themselves up.
    Ok(unsafe { Library::open(Some(path), RTLD_LAZY | RTLD_GLOBAL) }?)
}

/// The options up to the one without a keyword, which ends the array.
fn walk<'a>(options: *mut ConninfoOption) -> impl Iterator<Item = &'a ConninfoOption> {
    (0..).map_while(move |index| {
        // SAFETY: the array ends with an option without a keyword, where this stops.
        let option = unsafe { options.add(index).as_ref() };
        option.filter(|option| !option.keyword.is_null())
    })
}

fn text(pointer: *const c_char) -> Option<String> {
    if pointer.is_null() {
        return None;
    }
    // SAFETY: libpq's strings end with a NUL, and live as long as what they are part of.
    Some(unsafe { CStr::from_ptr(pointer) }.to_string_lossy().into_owned())
}
