//! Why there was no connection to be had, as an error of the verbs.

use cornac_conn::Error;

/// Why there was no connection to be had from the pool. It is the [source](std::error::Error::source) of the verbs' errors of kind
/// [`Checkout`](crate::ErrorKind::Checkout):
///
/// ```
/// use std::error::Error as _;
///
/// fn pool_was_exhausted(error: &cornac::Error) -> bool {
///     let checkout = error.source().and_then(|source| source.downcast_ref::<cornac::CheckoutError>());
///     checkout.is_some_and(|checkout| checkout.timed_out().is_some())
/// }
/// ```
pub type CheckoutError = cornac_pool::CheckoutError<Error>;

/// The error of a verb that got no connection.
pub(crate) fn unavailable(error: CheckoutError) -> Error {
    let failure = match &error {
        CheckoutError::Hook(failure) => Some(failure),
        error => error.open_failure(),
    };
    let server = failure.and_then(|failure| failure.manager_error()).and_then(Error::server).cloned();
    let is_transient = error.is_transient();
    Error::unavailable(error, is_transient, server)
}
