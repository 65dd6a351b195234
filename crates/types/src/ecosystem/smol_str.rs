//! The crate `smol_str`.

use smol_str::SmolStr;

super::like_str!(SmolStr);
