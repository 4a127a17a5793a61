//! Compiled code that is kept, and code that several threads run.

use std::path::PathBuf;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Int64Array};
use arrow::datatypes::{DataType, Int64Type};
use nyala_pipeline::guest::ScalarGuest;
use nyala_sandbox::artefact::Artefacts;
use nyala_sandbox::{CompilerChoice, Kernels, RowFunction};

use crate::modules::function;
use crate::subject::kernels;

const SQUARE: &str = r#"(module (func (export "square") (param i64) (result i64)
    (i64.mul (local.get 0) (local.get 0))))"#;

fn square(kernels: &Arc<Kernels>) -> RowFunction {
    let square = function(SQUARE, "square", &[DataType::Int64], DataType::Int64);
    RowFunction::new(kernels, Arc::new(square)).unwrap()
}

#[test]
fn kept_code_is_used_again() {
    let kept = tempfile::tempdir().unwrap();
    let files = || {
        let entries = std::fs::read_dir(kept.path()).unwrap();
        entries.map(|entry| entry.unwrap().path()).collect::<Vec<PathBuf>>()
    };
    let check = || {
        let artefacts = Artefacts::new(Some(kept.path()), CompilerChoice::InProcess).unwrap();
        let kernels = Kernels::new(kernels().1.clone(), Arc::new(artefacts)).unwrap();
        let column: ArrayRef = Arc::new(Int64Array::from(vec![3, -4]));
        let squares = square(&kernels).call(&[column], 2).unwrap();
        assert_eq!(squares.as_primitive::<Int64Type>().values(), &[9, 16]);
    };
    check();
    let made = files();
    assert!(!made.is_empty());
    check();
    assert_eq!(files(), made);
    // What is no code is compiled anew.
    for file in made {
        std::fs::write(file, b"no code").unwrap();
    }
    check();
}

#[test]
fn threads_share_a_function() {
    let square = square(&kernels().0);
    std::thread::scope(|scope| {
        for thread in 0..4i64 {
            let square = &square;
            scope.spawn(move || {
                for round in 0..200 {
                    let value = thread * 1000 + round;
                    let column: ArrayRef = Arc::new(Int64Array::from(vec![value; 17]));
                    let squares = square.call(&[column], 17).unwrap();
                    assert!(squares.as_primitive::<Int64Type>().values().iter().all(|v| *v == value * value));
                }
            });
        }
    });
}
