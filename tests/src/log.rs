//! What is logged while a test looks.

use std::fmt::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::DefaultGuard;
use tracing::{Event, Metadata, Subscriber};

/// Everything that the current thread logs, from when this is made until it is dropped.
pub struct Log {
    lines: Arc<Mutex<String>>,
    _guard: DefaultGuard,
}

impl Log {
    /// Begins to listen.
    pub fn listen() -> Self {
        let lines = Arc::new(Mutex::new(String::new()));
        let listener = Listener { lines: Arc::clone(&lines) };
        Self { lines, _guard: tracing::subscriber::set_default(listener) }
    }

    /// What has been logged so far, an event or a span a line: its level, its target, its text and fields.
    pub fn lines(&self) -> String {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl fmt::Debug for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.lines())
    }
}

struct Listener {
    lines: Arc<Mutex<String>>,
}

impl Subscriber for Listener {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, attributes: &Attributes<'_>) -> Id {
        let metadata = attributes.metadata();
        if metadata.target().starts_with("cornac") {
            let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
            let _ = write!(lines, "SPAN {}:", metadata.target());
            attributes.record(&mut Fields(&mut lines));
            lines.push('\n');
        }
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, record: &Record<'_>) {
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines.push_str("SPAN:");
        record.record(&mut Fields(&mut lines));
        lines.push('\n');
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let metadata = event.metadata();
        if !metadata.target().starts_with("cornac") {
            return;
        }
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = write!(lines, "{} {}:", metadata.level(), metadata.target());
        event.record(&mut Fields(&mut lines));
        lines.push('\n');
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

struct Fields<'l>(&'l mut String);

impl Visit for Fields<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let _ = match field.name() {
            "message" => write!(self.0, " {value:?}"),
            name => write!(self.0, " {name}={value:?}"),
        };
    }
}
