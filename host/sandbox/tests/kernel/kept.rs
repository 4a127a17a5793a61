//! Compiled code that is kept, and code that several threads run.

use std::path::{Path, PathBuf};
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

/// A process that keeps compiled code in `folder`.
fn restarted(folder: &Path) -> Arc<Kernels> {
    let artefacts = Artefacts::new(Some(folder), CompilerChoice::InProcess).unwrap();
    Kernels::new(kernels().1.clone(), Arc::new(artefacts)).unwrap()
}

fn kept(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let files = entries.filter(|path| path.is_file());
    files.map(|path| (path.clone(), std::fs::read(path).unwrap())).collect()
}

#[test]
fn kept_code_is_used_again() {
    let folder = tempfile::tempdir().unwrap();
    let column: ArrayRef = Arc::new(Int64Array::from(vec![3, -4]));
    let check = || {
        let squares = square(&restarted(folder.path())).call(std::slice::from_ref(&column), 2).unwrap();
        assert_eq!(squares.as_primitive::<Int64Type>().values(), &[9, 16]);
    };
    check();
    let first = kept(folder.path());
    assert_eq!(first.len(), 1);
    check();
    assert_eq!(kept(folder.path()), first);
    // What is no code is compiled anew, and kept instead.
    std::fs::write(&first[0].0, &first[0].1[..100]).unwrap();
    check();
    assert_eq!(kept(folder.path()), first);
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
