//! The names that statements have at the server.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use cornac_proto::message::{BindHead, STATEMENT_NAME_MAX};

/// How long a name may be: the prefix and two numbers in base 32.
const NAME_MAX: usize = PREFIX.len() + 13 + 1 + 13;

const _: () = assert!(NAME_MAX <= STATEMENT_NAME_MAX);

/// How every name begins.
pub(crate) const PREFIX: &str = "cornac_";

/// A name at the server, which is retired when it is dropped: also when the future that was to prepare it is.
#[derive(Debug)]
pub(crate) struct StatementName {
    head: BindHead,
    may_be_parsed: AtomicBool,
    era: u32,
    retired: Arc<Retired>,
}

impl StatementName {
    pub(crate) fn as_str(&self) -> &str {
        self.head.statement()
    }

    /// The name as a Bind begins with it.
    pub(crate) fn head(&self) -> &BindHead {
        &self.head
    }

    /// A Parse with this name is written, so that there may be something to close; or the server has refused it.
    pub(crate) fn set_may_be_parsed(&self, may_be: bool) {
        // Relaxed: read by the drop of the last handle, which has seen all that the others did.
        self.may_be_parsed.store(may_be, Ordering::Relaxed);
    }

    /// Whether it was given by `names`, and not before everything was forgotten.
    pub(crate) fn is_of(&self, names: &StatementNames) -> bool {
        Arc::ptr_eq(&self.retired, &names.retired) && self.era == names.era
    }
}

impl Drop for StatementName {
    fn drop(&mut self) {
        if *self.may_be_parsed.get_mut() {
            self.retired.push(self.as_str().into());
        }
    }
}

/// The names of statements whose last handle has gone, to be closed with the next request.
#[derive(Debug, Default)]
struct Retired {
    /// Whether `names` holds any: a request looks at this first, and takes no lock when there is none.
    any: AtomicBool,
    names: Mutex<Vec<Box<str>>>,
}

impl Retired {
    fn push(&self, name: Box<str>) {
        self.names.lock().unwrap_or_else(PoisonError::into_inner).push(name);
        // Release: pairs with the Acquire in `take`, so that whoever sees the flag sees the name.
        self.any.store(true, Ordering::Release);
    }

    fn any(&self) -> bool {
        // Acquire: pairs with the Release in `push`. A name that is missed is found by the next request.
        self.any.load(Ordering::Acquire)
    }

    fn take(&self) -> Vec<Box<str>> {
        if !self.any() {
            return Vec::new();
        }
        self.any.store(false, Ordering::Relaxed);
        std::mem::take(&mut *self.names.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Gives each statement of a connection a name that no other statement of the process ever had: behind a pooler two connections can
/// meet at one server process, and neither may find a statement of the other's under a name of its own.
#[derive(Debug)]
pub(crate) struct StatementNames {
    /// Names of earlier eras may be gone at the server.
    era: u32,
    retired: Arc<Retired>,
}

impl StatementNames {
    pub(crate) fn new() -> Self {
        Self { era: 0, retired: Arc::default() }
    }

    /// A name behind a prefix that is random for each process: a pooler's server connection may still hold what a
    /// stranger left, and that must not be taken for ours.
    pub(crate) fn fresh(&self) -> StatementName {
        // Relaxed: it only has to be another number each time.
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let mut name = String::with_capacity(NAME_MAX);
        name.push_str(PREFIX);
        write_base_32(process_prefix(), &mut name);
        name.push('_');
        write_base_32(NEXT.fetch_add(1, Ordering::Relaxed), &mut name);
        // It fits: 13 digits are all that a number can have.
        let head = BindHead::new(&name).unwrap_or(BindHead::UNNAMED);
        let (may_be_parsed, era) = (AtomicBool::new(false), self.era);
        StatementName { head, may_be_parsed, era, retired: Arc::clone(&self.retired) }
    }

    /// Every name that was given may be gone at the server. They are closed there all the same, which is no error.
    pub(crate) fn invalidate(&mut self) {
        self.era = self.era.wrapping_add(1);
    }

    /// Whether there are names to close.
    pub(crate) fn has_retired(&self) -> bool {
        self.retired.any()
    }

    /// The names to close with the next request.
    pub(crate) fn take_retired(&self) -> Vec<Box<str>> {
        self.retired.take()
    }

    /// Names whose Close was not sent after all.
    pub(crate) fn retire_again(&self, names: Vec<Box<str>>) {
        for name in names {
            self.retired.push(name);
        }
    }
}

fn write_base_32(number: u64, out: &mut String) {
    const DIGITS: &[u8; 32] = b"0123456789abcdefghijklmnopqrstuv";
    let digits = (64 - number.leading_zeros()).div_ceil(5).max(1);
    for place in (0..digits).rev() {
        let digit = usize::try_from((number >> (5 * place)) % 32).unwrap_or_default();
        out.extend(DIGITS.get(digit).copied().map(char::from));
    }
}

fn process_prefix() -> u64 {
    static PREFIX: OnceLock<u64> = OnceLock::new();
    static FALLBACK: AtomicU64 = AtomicU64::new(0);
    *PREFIX.get_or_init(|| {
        // Without randomness the process id still keeps processes of one machine apart.
        getrandom::u64().unwrap_or_else(|_| {
            u64::from(std::process::id()).wrapping_add(FALLBACK.fetch_add(1, Ordering::Relaxed))
        })
    })
}
