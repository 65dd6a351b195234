//! The crate `compact_str`.

use compact_str::CompactString;

super::like_str!(CompactString);
