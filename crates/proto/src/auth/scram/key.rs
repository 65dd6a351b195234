//! Keys: from a password to a proof.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

pub(super) const KEY_LEN: usize = 32;

/// A key or hash of SCRAM-SHA-256, wiped when it is dropped.
pub(super) type Key = Zeroizing<[u8; KEY_LEN]>;

type HmacSha256 = Hmac<Sha256>;

/// ClientKey and ServerKey of RFC 5802: all of a password that an exchange needs, so as secret as the password at this server.
///
/// Remembered, they save the derivation at the next connection, as long as the server sends the same salt and number of iterations.
/// They are also what a proxy has that passes a login on without knowing the password.
#[derive(Clone)]
pub struct ScramKeys {
    client_key: Key,
    server_key: Key,
}

impl fmt::Debug for ScramKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ScramKeys(***)")
    }
}

impl ScramKeys {
    /// Keys that were derived elsewhere.
    pub fn new(client_key: [u8; KEY_LEN], server_key: [u8; KEY_LEN]) -> Self {
        Self { client_key: Key::new(client_key), server_key: Key::new(server_key) }
    }

    fn from_salted_password(salted_password: &Key) -> Self {
        Self {
            client_key: hmac_sha256(salted_password, &[b"Client Key"]),
            server_key: hmac_sha256(salted_password, &[b"Server Key"]),
        }
    }

    /// ClientProof: the client's key, hidden under its signature of the exchange.
    pub(super) fn client_proof(&self, auth_message: &[u8]) -> Key {
        let stored_key = Key::new(Sha256::digest(self.client_key.as_slice()).into());
        xor(&self.client_key, &hmac_sha256(&stored_key, &[auth_message]))
    }

    /// ServerSignature: what only a server that knows the password's verifier can send.
    pub(super) fn server_signature(&self, auth_message: &[u8]) -> Key {
        hmac_sha256(&self.server_key, &[auth_message])
    }
}

/// PBKDF2 with HMAC-SHA-256 and one block of output, in slices.
pub(super) struct Pbkdf2 {
    /// HMAC with the password absorbed, so that an iteration is two compressions.
    keyed: HmacSha256,
    /// The last block, U(i).
    block: Key,
    /// The sum of all blocks so far.
    sum: Key,
    left: u32,
}

impl Pbkdf2 {
    /// `iterations` is 1 at least; 0 counts as 1.
    pub(super) fn new(password: &[u8], salt: &[u8], iterations: u32) -> Self {
        let keyed = keyed(password);
        let block = finish(&keyed, &[salt, &1_u32.to_be_bytes()]);
        Self { keyed, sum: block.clone(), block, left: iterations.saturating_sub(1) }
    }

    /// Goes on for at most `iterations`; true when it is done.
    pub(super) fn step(&mut self, iterations: u32) -> bool {
        let now = self.left.min(iterations);
        for _ in 0..now {
            self.block = finish(&self.keyed, &[self.block.as_slice()]);
            self.sum = xor(&self.sum, &self.block);
        }
        self.left = self.left.saturating_sub(now);
        self.left == 0
    }

    pub(super) fn finish(mut self) -> ScramKeys {
        self.step(u32::MAX);
        ScramKeys::from_salted_password(&self.sum)
    }
}

fn hmac_sha256(key: &Key, parts: &[&[u8]]) -> Key {
    finish(&keyed(key.as_slice()), parts)
}

/// HMAC with a key of any length: a longer one than a block stands for its hash (RFC 2104).
fn keyed(key: &[u8]) -> HmacSha256 {
    let mut block = Zeroizing::new([0_u8; 64]);
    let hashed;
    let short = if key.len() > block.len() {
        hashed = Zeroizing::new(<[u8; KEY_LEN]>::from(Sha256::digest(key)));
        hashed.as_slice()
    } else {
        key
    };
    for (place, byte) in block.iter_mut().zip(short) {
        *place = *byte;
    }
    HmacSha256::new((&*block).into())
}

fn finish(keyed: &HmacSha256, parts: &[&[u8]]) -> Key {
    let mut mac = keyed.clone();
    for part in parts {
        mac.update(part);
    }
    Key::new(mac.finalize().into_bytes().into())
}

fn xor(left: &Key, right: &Key) -> Key {
    let mut sum = left.clone();
    for (place, byte) in sum.iter_mut().zip(right.iter()) {
        *place ^= byte;
    }
    sum
}

#[cfg(test)]
mod tests {
    use zeroize::ZeroizeOnDrop;

    use super::*;

    #[test]
    fn what_a_hash_has_absorbed_is_wiped_with_it() {
        // This compiles only with the feature `zeroize` of these crates. HMAC is made of the same parts as its hash.
        const fn is_wiped<T: ZeroizeOnDrop>() {}
        is_wiped::<Sha256>();
        is_wiped::<md5::Md5>();
        is_wiped::<Key>();
    }
}
