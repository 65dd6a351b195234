//! The parameters of one use of a statement: those beside it, or those inside of it.

use std::sync::Arc;

use bytes::BytesMut;
use cornac_types::{Encode, Format, ParamError, Params, Type};

use crate::error::{Delivery, Error, Result};
use crate::statement::IntoStatement;

/// What a verb was given: a statement that may have parameters inside, and parameters beside it.
///
/// It asks the statement anew each time. Most are of a type that never has any, so that the compiler sees that there is nothing to ask.
#[derive(Debug)]
pub(crate) struct Given<'s, S, P> {
    statement: &'s S,
    beside: P,
}

pub(crate) const BOTH: &str = "the statement has its parameters inside, and others were given beside it";
const INSIDE: &str = "the statement has its parameters inside, and here it would be run with others";

impl<'s, S: IntoStatement, P: Params> Given<'s, S, P> {
    /// Refuses parameters in both places.
    #[inline]
    pub(crate) fn new(statement: &'s S, beside: P) -> Result<Self> {
        if statement.parameters().is_some() && beside.count() > 0 {
            return Err(misplaced(BOTH, statement));
        }
        Ok(Self { statement, beside })
    }
}

/// Refuses a statement that has parameters inside, where sets of parameters come from elsewhere.
pub(crate) fn check_none_inside(statement: &impl IntoStatement) -> Result<()> {
    match statement.parameters() {
        None => Ok(()),
        Some(_) => Err(misplaced(INSIDE, statement)),
    }
}

#[cold]
pub(crate) fn misplaced(what: &'static str, statement: &impl IntoStatement) -> Error {
    Error::usage(what, Delivery::NotSent).with_statement(statement.statement().sql())
}

impl<S: IntoStatement, P: Params> Params for Given<'_, S, P> {
    #[inline]
    fn count(&self) -> usize {
        match self.statement.parameters() {
            None => self.beside.count(),
            Some(inside) => inside.count(),
        }
    }

    #[inline]
    fn formats(&self, types: &[Type], put: &mut dyn FnMut(Format)) {
        match self.statement.parameters() {
            None => self.beside.formats(types, put),
            Some(inside) => inside.formats(types, put),
        }
    }

    #[inline]
    fn all_binary(&self, types: &[Type]) -> bool {
        match self.statement.parameters() {
            None => self.beside.all_binary(types),
            Some(inside) => inside.all_binary(types),
        }
    }

    #[inline]
    fn encode(&self, types: &[Type], out: &mut BytesMut) -> Result<(), ParamError> {
        match self.statement.parameters() {
            None => self.beside.encode(types, out),
            Some(inside) => inside.encode(types, out),
        }
    }

    #[inline]
    fn for_each(&self, visit: &mut dyn FnMut(&dyn Encode)) {
        match self.statement.parameters() {
            None => self.beside.for_each(visit),
            Some(inside) => inside.for_each(visit),
        }
    }
}

/// The parameters inside of a statement that is kept for them.
#[derive(Debug)]
pub(crate) struct Inside<S>(pub(crate) Arc<S>);

impl<S: IntoStatement> Inside<S> {
    fn given(&self) -> Given<'_, S, ()> {
        Given { statement: &self.0, beside: () }
    }
}

impl<S: IntoStatement> Params for Inside<S> {
    fn count(&self) -> usize {
        self.given().count()
    }

    fn formats(&self, types: &[Type], put: &mut dyn FnMut(Format)) {
        self.given().formats(types, put);
    }

    fn encode(&self, types: &[Type], out: &mut BytesMut) -> Result<(), ParamError> {
        self.given().encode(types, out)
    }

    fn for_each(&self, visit: &mut dyn FnMut(&dyn Encode)) {
        self.given().for_each(visit);
    }
}
