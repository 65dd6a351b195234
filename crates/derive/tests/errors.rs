//! What the derives and `sql!` refuse, each at the place that is wrong.

#[test]
fn errors_point_at_the_place_that_is_wrong() {
    let cases = trybuild::TestCases::new();
    cases.pass("tests/ui/pass.rs");
    cases.compile_fail("tests/ui/attributes.rs");
    cases.compile_fail("tests/ui/types.rs");
    cases.compile_fail("tests/ui/values.rs");
}

#[test]
fn input_07_what_sql_cannot_bind_does_not_compile() {
    let cases = trybuild::TestCases::new();
    cases.pass("tests/ui/sql_pass.rs");
    cases.compile_fail("tests/ui/sql_captures.rs");
    cases.compile_fail("tests/ui/sql_lifetimes.rs");
    cases.compile_fail("tests/ui/sql_text.rs");
}
