//! What can stand in the braces of `sql!`, and how the macro takes it.

use std::sync::Arc;

use super::Sql;
use super::bound::Bound;
use crate::{Encode, Identifier, QualifiedName};

/// What was captured: a parameter, a name, or a fragment.
#[derive(Debug)]
pub struct Captured<'a>(pub(super) Part<'a>);

pub(super) enum Part<'a> {
    Value(Bound<'a>),
    /// It is quoted.
    Name(Box<str>),
    Fragment(Box<Sql<'a>>),
}

impl<'a> Captured<'a> {
    pub(super) fn value(value: Bound<'a>) -> Self {
        Self(Part::Value(value))
    }
}

impl std::fmt::Debug for Part<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Value(value) => f.debug_tuple("Value").field(&value.rust_type()).finish(),
            Self::Name(name) => f.debug_tuple("Name").field(name).finish(),
            Self::Fragment(fragment) => f.debug_tuple("Fragment").field(fragment).finish(),
        }
    }
}

/// What can stand in braces.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot stand in the braces of `sql!`",
    label = "this can be no parameter",
    note = "values that implement `Encode` are bound as parameters, an `Identifier` or `QualifiedName` becomes a quoted name, and the value of another `sql!` a part of the statement"
)]
pub trait Capture<'c> {
    /// Takes it.
    fn capture(self) -> Captured<'c>;
}

impl<'a, T: Encode + Sync> Capture<'a> for &'a T {
    fn capture(self) -> Captured<'a> {
        Captured::value(Bound::Borrowed(self))
    }
}

impl<'a> Capture<'a> for &'a str {
    fn capture(self) -> Captured<'a> {
        Captured::value(Bound::Text(self))
    }
}

impl<'a> Capture<'a> for &'a [u8] {
    fn capture(self) -> Captured<'a> {
        Captured::value(Bound::Bytes(self))
    }
}

impl<'a, T: Encode + Sync> Capture<'a> for &'a [T] {
    fn capture(self) -> Captured<'a> {
        Captured::value(Bound::Shared(Arc::new(self)))
    }
}

impl<'a> Capture<'a> for &'a (dyn Encode + Sync + 'a) {
    fn capture(self) -> Captured<'a> {
        Captured::value(Bound::Borrowed(self))
    }
}

impl<'a> Capture<'a> for &'a (dyn Encode + Send + Sync + 'a) {
    fn capture(self) -> Captured<'a> {
        Captured::value(Bound::Borrowed(self))
    }
}

impl<'c> Capture<'c> for &Sql<'c> {
    fn capture(self) -> Captured<'c> {
        Captured(Part::Fragment(Box::new(self.clone())))
    }
}

impl<'c> Capture<'c> for &Identifier {
    fn capture(self) -> Captured<'c> {
        Captured(Part::Name(self.to_string().into()))
    }
}

impl<'c> Capture<'c> for &QualifiedName {
    fn capture(self) -> Captured<'c> {
        Captured(Part::Name(self.to_string().into()))
    }
}

/// A reference to what stands in braces.
#[derive(Debug)]
pub struct Peel<T>(pub T);

/// What is taken out of the reference by a copy, so that the statement does not borrow the variable: small values, and references, whose
/// own lifetime counts then. It is asked first, since [`PeelBorrowed`] needs one reference more.
pub trait PeelCopied {
    /// What is left.
    type Peeled;

    /// Takes it out.
    fn peel(&self) -> Self::Peeled;
}

impl<'a, T: ?Sized> PeelCopied for Peel<&&'a T> {
    type Peeled = &'a T;

    fn peel(&self) -> &'a T {
        self.0
    }
}

impl<'a, T: ?Sized> PeelCopied for Peel<&'a &mut T> {
    type Peeled = &'a T;

    fn peel(&self) -> &'a T {
        self.0
    }
}

/// What stays where it is: everything else.
pub trait PeelBorrowed {
    /// What is left.
    type Peeled;

    /// Lends it.
    fn peel(&self) -> Self::Peeled;
}

impl<'a, T> PeelBorrowed for &Peel<&'a T> {
    type Peeled = &'a T;

    fn peel(&self) -> &'a T {
        self.0
    }
}
