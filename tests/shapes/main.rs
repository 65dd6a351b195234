//! That `transaction`'s closure compiles where services have it. The first run builds what the shapes need once more, which takes about as long as building `cornac` and axum; each later one takes a second.

#[test]
fn the_closure_of_a_transaction_compiles_in_spawned_tasks_and_in_handlers() {
    let cases = trybuild::TestCases::new();
    cases.pass("ui/transaction_closures.rs");
}
