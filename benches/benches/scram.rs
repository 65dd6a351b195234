//! SCRAM: the client's side of the exchange of RFC 7677, with keys that are derived and with keys that are remembered.
#![allow(missing_docs, reason = "criterion_group makes a function")]

use std::hint::black_box;

use cornac_proto::auth::scram::{ClientFirst, ClientNonce, ScramCredentials, ScramKeys};
use cornac_proto::auth::{ChannelBinding, ScramLimits, Secret};
use criterion::{Criterion, criterion_group, criterion_main};

const SERVER_FIRST: &str =
    "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
const SERVER_FINAL: &str = "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=";

fn exchange(credentials: ScramCredentials) -> ScramKeys {
    let nonce = ClientNonce::from_printable("rOprNGfwEbeRWgbNEkqO").expect("it is printable");
    let binding = ChannelBinding::Unsupported;
    let first = ClientFirst::new("user", credentials, nonce, binding, ScramLimits::default());
    let (state, _) = first.into_parts();
    let (state, _) = state.handle(SERVER_FIRST.as_bytes()).expect("it is well-formed").finish();
    state.handle(SERVER_FINAL.as_bytes()).expect("it is the server's")
}

fn exchanges(c: &mut Criterion) {
    let password = ScramCredentials::Password(Secret::new("pencil"));
    let keys = ScramCredentials::Keys(exchange(password.clone()));
    c.bench_function("scram/password, 4096 iterations", |b| b.iter(|| exchange(black_box(password.clone()))));
    c.bench_function("scram/remembered keys", |b| b.iter(|| exchange(black_box(keys.clone()))));
}

criterion_group!(benches, exchanges);
criterion_main!(benches);
