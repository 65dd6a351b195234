//! The options of a COPY.

use cornac_types::quote_literal;

use super::error::CopyError;
use super::table::quoted_names;

/// The options of a COPY. What is not set is the server's default; what a server does not know, it refuses.
///
/// Data is in UTF-8, as everything on a connection is: there is no option for another encoding. See
/// [COPY](https://www.postgresql.org/docs/current/sql-copy.html).
///
/// ```
/// use cornac_conn::{CopyHeader, CopyOptions};
///
/// let options = CopyOptions::csv().header(CopyHeader::Match).delimiter(';').null("NULL");
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CopyOptions {
    format: CopyFormat,
    delimiter: Option<char>,
    null: Option<Box<str>>,
    default: Option<Box<str>>,
    header: Option<CopyHeader>,
    quote: Option<char>,
    escape: Option<char>,
    force_quote: Option<Names>,
    force_not_null: Option<Names>,
    force_null: Option<Names>,
    freeze: Option<bool>,
    on_error: Option<CopyOnError>,
    reject_limit: Option<u64>,
    log_verbosity: Option<CopyLogVerbosity>,
}

/// How the data is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CopyFormat {
    /// A line for each row, values behind tabs, with backslashes for what would be taken for something else.
    #[default]
    Text,
    /// Comma separated values.
    Csv,
    /// The binary forms of the types.
    Binary,
}

/// What the first line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CopyHeader {
    /// A row.
    Absent,
    /// The names of the columns; coming in, it is passed over. In format text since PostgreSQL 15.
    Present,
    /// The names of the columns, which must be those of the table in their order. Only coming in, since PostgreSQL 15.
    Match,
}

/// What is done with a row that cannot be read, since PostgreSQL 17.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CopyOnError {
    /// The COPY fails.
    Stop,
    /// The row is left out.
    Ignore,
}

/// What is told of rows that are left out, since PostgreSQL 17.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CopyLogVerbosity {
    /// Nothing at all. Since PostgreSQL 18.
    Silent,
    /// How many there were, in a notice.
    Default,
    /// Each of them, in a notice.
    Verbose,
}

/// Some columns, or all.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Names {
    All,
    These(Vec<Box<str>>),
}

impl Names {
    fn these(names: &[&str]) -> Self {
        Self::These(names.iter().map(|name| (*name).into()).collect())
    }
}

impl CopyOptions {
    /// The server's defaults, which are those of format text.
    pub fn text() -> Self {
        Self::default()
    }

    /// Comma separated values.
    pub fn csv() -> Self {
        Self { format: CopyFormat::Csv, ..Self::default() }
    }

    /// The binary format.
    pub fn binary() -> Self {
        Self { format: CopyFormat::Binary, ..Self::default() }
    }

    /// What stands between two values: one byte. A tab unless set, a comma in CSV.
    #[must_use]
    pub fn delimiter(mut self, delimiter: char) -> Self {
        self.delimiter = Some(delimiter);
        self
    }

    /// What stands for NULL. `\N` unless set, nothing at all in CSV.
    #[must_use]
    pub fn null(mut self, null: impl Into<Box<str>>) -> Self {
        self.null = Some(null.into());
        self
    }

    /// What stands for the column's default, coming in. Since PostgreSQL 16.
    #[must_use]
    pub fn default_marker(mut self, marker: impl Into<Box<str>>) -> Self {
        self.default = Some(marker.into());
        self
    }

    /// What the first line is.
    #[must_use]
    pub fn header(mut self, header: CopyHeader) -> Self {
        self.header = Some(header);
        self
    }

    /// What stands around a value in CSV: one byte. A double quote unless set.
    #[must_use]
    pub fn quote(mut self, quote: char) -> Self {
        self.quote = Some(quote);
        self
    }

    /// What stands in front of a quote inside of a value in CSV: one byte. The quote itself unless set.
    #[must_use]
    pub fn escape(mut self, escape: char) -> Self {
        self.escape = Some(escape);
        self
    }

    /// Columns whose values are in quotes whatever they are. Only CSV going out.
    #[must_use]
    pub fn force_quote(mut self, columns: &[&str]) -> Self {
        self.force_quote = Some(Names::these(columns));
        self
    }

    /// All values but NULL are in quotes. Only CSV going out.
    #[must_use]
    pub fn force_quote_all(mut self) -> Self {
        self.force_quote = Some(Names::All);
        self
    }

    /// Columns whose values are never taken for NULL. Only CSV coming in.
    #[must_use]
    pub fn force_not_null(mut self, columns: &[&str]) -> Self {
        self.force_not_null = Some(Names::these(columns));
        self
    }

    /// No value is taken for NULL. Only CSV coming in, since PostgreSQL 17.
    #[must_use]
    pub fn force_not_null_all(mut self) -> Self {
        self.force_not_null = Some(Names::All);
        self
    }

    /// Columns whose values are taken for NULL in quotes too. Only CSV coming in.
    #[must_use]
    pub fn force_null(mut self, columns: &[&str]) -> Self {
        self.force_null = Some(Names::these(columns));
        self
    }

    /// Values are taken for NULL in quotes too. Only CSV coming in, since PostgreSQL 17.
    #[must_use]
    pub fn force_null_all(mut self) -> Self {
        self.force_null = Some(Names::All);
        self
    }

    /// Rows come in frozen, as behind a VACUUM FREEZE: into a table that was made or emptied in the same transaction.
    #[must_use]
    pub fn freeze(mut self, freeze: bool) -> Self {
        self.freeze = Some(freeze);
        self
    }

    /// What is done with a row that cannot be read. Since PostgreSQL 17.
    #[must_use]
    pub fn on_error(mut self, on_error: CopyOnError) -> Self {
        self.on_error = Some(on_error);
        self
    }

    /// How many rows may be left out before the COPY fails. Since PostgreSQL 18.
    #[must_use]
    pub fn reject_limit(mut self, rows: u64) -> Self {
        self.reject_limit = Some(rows);
        self
    }

    /// What is told of rows that are left out. Since PostgreSQL 17.
    #[must_use]
    pub fn log_verbosity(mut self, verbosity: CopyLogVerbosity) -> Self {
        self.log_verbosity = Some(verbosity);
        self
    }

    /// The options as they stand in SQL, with a space in front; empty when nothing is set.
    pub(super) fn to_sql(&self) -> Result<String, CopyError> {
        let mut options = Vec::new();
        let mut put = |name: &str, value: &str| options.push(format!("{name} {value}"));
        match self.format {
            CopyFormat::Text => {}
            CopyFormat::Csv => put("FORMAT", "csv"),
            CopyFormat::Binary => put("FORMAT", "binary"),
        }
        for (name, character) in
            [("DELIMITER", self.delimiter), ("QUOTE", self.quote), ("ESCAPE", self.escape)]
        {
            if let Some(character) = character {
                put(name, &literal(character.encode_utf8(&mut [0; 4]))?);
            }
        }
        for (name, text) in [("NULL", &self.null), ("DEFAULT", &self.default)] {
            if let Some(text) = text {
                put(name, &literal(text)?);
            }
        }
        if let Some(header) = self.header {
            put("HEADER", header.name());
        }
        let names = [
            ("FORCE_QUOTE", &self.force_quote),
            ("FORCE_NOT_NULL", &self.force_not_null),
            ("FORCE_NULL", &self.force_null),
        ];
        for (name, columns) in names {
            match columns {
                None => {}
                Some(Names::All) => put(name, "*"),
                Some(Names::These(columns)) => put(name, &format!("({})", quoted_names(columns)?)),
            }
        }
        if let Some(freeze) = self.freeze {
            put("FREEZE", if freeze { "true" } else { "false" });
        }
        if let Some(on_error) = self.on_error {
            put("ON_ERROR", on_error.name());
        }
        if let Some(rows) = self.reject_limit {
            put("REJECT_LIMIT", &rows.to_string());
        }
        if let Some(verbosity) = self.log_verbosity {
            put("LOG_VERBOSITY", verbosity.name());
        }
        Ok(if options.is_empty() { String::new() } else { format!(" WITH ({})", options.join(", ")) })
    }
}

impl CopyHeader {
    fn name(self) -> &'static str {
        match self {
            Self::Absent => "false",
            Self::Present => "true",
            Self::Match => "match",
        }
    }
}

impl CopyOnError {
    fn name(self) -> &'static str {
        match self {
            Self::Stop => "stop",
            Self::Ignore => "ignore",
        }
    }
}

impl CopyLogVerbosity {
    fn name(self) -> &'static str {
        match self {
            Self::Silent => "silent",
            Self::Default => "default",
            Self::Verbose => "verbose",
        }
    }
}

fn literal(text: &str) -> Result<String, CopyError> {
    let problem = "contains a NUL, which no option can";
    quote_literal(text).ok_or_else(|| CopyError::Name { name: text.chars().take(80).collect(), problem })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(options: &CopyOptions, expected: &str) {
        assert_eq!(options.to_sql().unwrap_or_else(|error| error.to_string()), expected);
    }

    #[test]
    fn each_option_becomes_sql_with_its_strings_in_quotes() {
        check(&CopyOptions::text(), "");
        check(&CopyOptions::binary(), " WITH (FORMAT binary)");
        check(
            &CopyOptions::text().delimiter('\'').null("it's \\N").default_marker("\\D"),
            " WITH (DELIMITER '''', NULL E'it''s \\\\N', DEFAULT E'\\\\D')",
        );
        check(
            &CopyOptions::csv().quote('|').escape('\\').force_quote_all().header(CopyHeader::Present),
            " WITH (FORMAT csv, QUOTE '|', ESCAPE E'\\\\', HEADER true, FORCE_QUOTE *)",
        );
        check(
            &CopyOptions::csv()
                .header(CopyHeader::Match)
                .force_null(&["a\"b", "c"])
                .force_not_null_all()
                .freeze(true)
                .on_error(CopyOnError::Ignore)
                .reject_limit(7)
                .log_verbosity(CopyLogVerbosity::Silent),
            " WITH (FORMAT csv, HEADER match, FORCE_NOT_NULL *, FORCE_NULL (\"a\"\"b\", \"c\"), FREEZE true, ON_ERROR ignore, \
             REJECT_LIMIT 7, LOG_VERBOSITY silent)",
        );
        check(&CopyOptions::text().null("a\0"), r#""a\0" contains a NUL, which no option can"#);
        check(&CopyOptions::csv().force_quote(&[""]), r#""" is no name"#);
    }
}
