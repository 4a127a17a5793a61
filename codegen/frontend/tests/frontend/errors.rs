//! Errors as people see them.

use expect_test::{Expect, expect};
use nyala_frontend::render;

use crate::tables::plan;

fn check(sql: &str, expected: Expect) {
    let error = plan(sql).expect_err(sql);
    expected.assert_eq(&render(&error, sql));
}
