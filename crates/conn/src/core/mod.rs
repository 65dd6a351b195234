//! What a connection decides about its statements, without tokio: no socket, no clock, nothing async.
//!
//! - [`statements`]: is a statement parsed here, is its description known, and which flight does that take?
//! - [`catalogue`]: the descriptions that all connections to one database share;
//! - [`registry`]: the types of one database that are not built in;
//! - [`effects`]: what a statement that ran did to those before it;
//! - [`head`]: the replies in front of a result;
//! - [`lexer`], [`literals`]: where placeholders are, and SQL with values in their places, for mode simple;
//! - [`stale`]: which failures say that what is remembered is no longer true, and may be answered by asking again;
//! - [`keyword`]: what sort of statement it is;
//! - [`qualified`]: SQL of our own that no `search_path` changes;
//! - [`lru`]: the table under the first two.

pub(crate) mod catalogue;
pub(crate) mod effects;
pub(crate) mod head;
pub(crate) mod keyword;
pub(crate) mod lexer;
pub(crate) mod literals;
pub(crate) mod lru;
pub(crate) mod qualified;
pub(crate) mod registry;
pub(crate) mod stale;
pub(crate) mod statements;
