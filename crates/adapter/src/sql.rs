//! `sql!`.

#[doc = include_str!("sql.md")]
#[macro_export]
macro_rules! sql {
    ($($sql:tt)*) => {
        $crate::__sql!($crate::types; $($sql)*)
    };
}
