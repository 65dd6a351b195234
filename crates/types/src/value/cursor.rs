//! Taking a binary value apart, from its front.

use crate::ValueError;

/// What is left of a value's bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cursor<'r>(&'r [u8]);

impl<'r> Cursor<'r> {
    pub(super) fn new(value: &'r [u8]) -> Self {
        Self(value)
    }

    /// How many bytes are left, which bounds what a count can make us allocate.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    #[inline]
    pub(super) fn take<const N: usize>(&mut self) -> Result<[u8; N], ValueError> {
        match self.0.split_first_chunk::<N>() {
            Some((chunk, rest)) => {
                self.0 = rest;
                Ok(*chunk)
            }
            None => Err(cut_off()),
        }
    }

    pub(super) fn take_u8(&mut self) -> Result<u8, ValueError> {
        self.take().map(u8::from_be_bytes)
    }

    pub(super) fn take_i16(&mut self) -> Result<i16, ValueError> {
        self.take().map(i16::from_be_bytes)
    }

    pub(super) fn take_u16(&mut self) -> Result<u16, ValueError> {
        self.take().map(u16::from_be_bytes)
    }

    pub(super) fn take_i32(&mut self) -> Result<i32, ValueError> {
        self.take().map(i32::from_be_bytes)
    }

    pub(super) fn take_u32(&mut self) -> Result<u32, ValueError> {
        self.take().map(u32::from_be_bytes)
    }

    pub(super) fn take_i64(&mut self) -> Result<i64, ValueError> {
        self.take().map(i64::from_be_bytes)
    }

    pub(super) fn take_u64(&mut self) -> Result<u64, ValueError> {
        self.take().map(u64::from_be_bytes)
    }

    pub(super) fn take_f32(&mut self) -> Result<f32, ValueError> {
        self.take().map(f32::from_be_bytes)
    }

    pub(super) fn take_f64(&mut self) -> Result<f64, ValueError> {
        self.take().map(f64::from_be_bytes)
    }

    /// A number of things that follow, each of `size` bytes at least: no more than there can be.
    pub(super) fn take_count(&mut self, size: usize) -> Result<usize, ValueError> {
        let announced = self.take_i32()?;
        let possible = |count: &usize| count.checked_mul(size).is_some_and(|bytes| bytes <= self.len());
        let count = usize::try_from(announced).ok().filter(possible);
        count
            .ok_or_else(|| ValueError::malformed(format!("it announces {announced} items, and is too short")))
    }

    pub(super) fn take_bytes(&mut self, len: usize) -> Result<&'r [u8], ValueError> {
        let (bytes, rest) = self.0.split_at_checked(len).ok_or_else(cut_off)?;
        self.0 = rest;
        Ok(bytes)
    }

    pub(super) fn take_str(&mut self, len: usize) -> Result<&'r str, ValueError> {
        text(self.take_bytes(len)?)
    }

    /// A text that ends with a NUL.
    pub(super) fn take_cstr(&mut self) -> Result<&'r str, ValueError> {
        let end = memchr::memchr(0, self.0).ok_or_else(cut_off)?;
        let text = self.take_str(end)?;
        self.take_u8()?;
        Ok(text)
    }

    /// All that is left.
    pub(super) fn take_rest(&mut self) -> &'r [u8] {
        std::mem::take(&mut self.0)
    }

    /// All that is left, as text.
    pub(super) fn take_rest_str(&mut self) -> Result<&'r str, ValueError> {
        text(self.take_rest())
    }

    /// A value ends where its last part does.
    #[inline]
    pub(super) fn end(self) -> Result<(), ValueError> {
        if self.0.is_empty() { Ok(()) } else { Err(left_over(self.0.len())) }
    }
}

fn text(bytes: &[u8]) -> Result<&str, ValueError> {
    std::str::from_utf8(bytes).map_err(|_| ValueError::malformed("it is not UTF-8"))
}

#[cold]
fn cut_off() -> ValueError {
    ValueError::malformed("it is cut off")
}

#[cold]
fn left_over(bytes: usize) -> ValueError {
    ValueError::malformed(format!("{bytes} bytes are left behind its end"))
}
