//! In place of the numbers for the `metrics` crate, in builds without the cargo feature of that name.

use std::marker::PhantomData;
use std::time::Duration;

use cornac_conn::{Config, Error};

/// As its sibling's; nothing is measured.
#[derive(Debug)]
pub(crate) struct Meter;

impl Meter {
    pub(crate) const MEASURES: bool = false;

    pub(crate) fn new(_: &Config, _: Option<&str>, _: bool) -> Self {
        Self
    }

    #[expect(clippy::unused_self, reason = "as its sibling")]
    #[inline]
    pub(crate) fn operation<'w>(&self, _: impl FnOnce() -> &'w str) -> Timer<'_> {
        Timer(PhantomData)
    }

    #[expect(clippy::unused_self, reason = "as its sibling")]
    #[inline]
    pub(crate) fn transaction(&self) -> Timer<'_> {
        Timer(PhantomData)
    }

    #[expect(clippy::unused_self, reason = "as its sibling")]
    #[inline]
    pub(crate) fn creation(&self) -> Timer<'_> {
        Timer(PhantomData)
    }

    #[expect(clippy::unused_self, reason = "as its sibling")]
    pub(crate) fn waited(&self, _: Duration) {}

    #[expect(clippy::unused_self, reason = "as its sibling")]
    pub(crate) fn used(&self, _: Duration) {}
}

/// As its sibling's; nothing is measured.
pub(crate) struct Timer<'m>(PhantomData<&'m Meter>);

impl Timer<'_> {
    #[expect(clippy::unused_self, reason = "as its sibling")]
    #[inline]
    pub(crate) fn ended(self, _: Result<(), Option<&Error>>) {}
}
