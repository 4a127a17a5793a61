//! The whole plans of the 22 queries. `UPDATE_EXPECT=1 cargo test` writes them anew.

use expect_test::expect_file;

use crate::{folder, plan, query};

#[test]
fn plans_are_as_expected() {
    for number in 1..=22 {
        let fragments = plan(&query(number)).expect("a plan");
        let text: String = fragments.iter().map(ToString::to_string).collect();
        expect_file![folder().join(format!("tests/tpch/plans/q{number:02}.txt"))].assert_eq(&text);
    }
}
