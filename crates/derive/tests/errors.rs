//! What the derives refuse, each at the place that is wrong.

#[test]
fn errors_point_at_the_place_that_is_wrong() {
    let cases = trybuild::TestCases::new();
    cases.pass("tests/ui/pass.rs");
    cases.compile_fail("tests/ui/attributes.rs");
    cases.compile_fail("tests/ui/types.rs");
    cases.compile_fail("tests/ui/values.rs");
}
