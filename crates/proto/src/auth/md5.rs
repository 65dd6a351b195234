//! PostgreSQL's MD5 password method, for servers that still ask for it.

use md5::{Digest, Md5};
use zeroize::Zeroizing;

use super::Secret;

/// What stands in a PasswordMessage: `md5` and the hash of hash(password, user) and `salt`, in hexadecimal.
///
/// See [Password Authentication](https://www.postgresql.org/docs/current/auth-password.html).
pub fn password(user: &[u8], password: &Secret, salt: [u8; 4]) -> Secret {
    let inner = hex_digest(&[password.expose(), user]);
    let outer = hex_digest(&[&inner, &salt]);
    Secret::new([b"md5", outer.as_slice()].concat())
}

fn hex_digest(parts: &[&[u8]]) -> Zeroizing<Vec<u8>> {
    let mut hash = Md5::new();
    for part in parts {
        hash.update(part);
    }
    let hex = |nibble: u8| if nibble < 10 { b'0' + nibble } else { b'a' + nibble - 10 };
    Zeroizing::new(hash.finalize().iter().flat_map(|byte| [hex(byte >> 4), hex(byte & 15)]).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_what_a_server_computes() {
        // SELECT 'md5' || md5(md5('pencil' || 'user') || 'salt');
        let hashed = password(b"user", &Secret::new("pencil"), *b"salt");
        assert_eq!(hashed.expose(), b"md5d3d9bcccbaa2fb5234570d4d0f22b055");
    }
}
