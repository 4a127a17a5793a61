//! `nyala generate`: the tables of TPC-H and TPC-DS as Parquet files.

use crate::arguments::GenerateArguments;
use crate::exit::Failure;

/// # Errors
/// `Usage` for a scale that makes no sense.
pub fn run(arguments: &GenerateArguments) -> Result<(), Failure> {
    let _ = (&arguments.benchmark, arguments.scale, &arguments.out);
    Err(Failure::usage("pending"))
}
