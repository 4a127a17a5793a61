//! Batches between two processes, against raw TCP and Arrow Flight; control calls under bulk.

use std::path::PathBuf;

use anyhow::Result;

use super::processes::{example, told};
use super::{Bench, number};
use crate::bench::figure::{Figure, Unit, Wanted};
use crate::bench::median;
use crate::bench::workspace::Workspace;

const BATCH_BYTES: [usize; 2] = [256 << 10, 1 << 20];

pub fn measure(bench: &Bench) -> Result<Vec<Figure>> {
    let mib = if bench.runs < 5 { 512 } else { 2048 };
    let flight = build_flight(bench)?;
    let mut rounds = Vec::new();
    for _ in 0..bench.runs {
        let ours = example(bench, "nyala-rpc", "throughput", &[mib.to_string()])?;
        let peer = |bytes: usize| told(&flight, &[bytes.to_string(), mib.to_string()]);
        rounds.push((ours, BATCH_BYTES.map(peer)));
    }
    let middle = |name: String| -> Result<f64> {
        let values: Result<Vec<f64>> = rounds.iter().map(|(ours, _)| number(ours, &name)).collect();
        Ok(median(&values?))
    };
    let mut figures = Vec::new();
    for (place, bytes) in BATCH_BYTES.into_iter().enumerate() {
        let kib = bytes >> 10;
        for (with, name) in [("", ""), ("tls_", ", both with TLS")] {
            figures.push(Figure {
                what: format!("batches of {kib} KiB ÷ raw framed TCP{name}"),
                measured: middle(format!("{with}{kib}k_ours_of_raw"))?,
                unit: Unit::Ratio,
                wanted: Wanted::AtLeast(0.8),
                of: format!(
                    "{:.2} : {:.2} GiB/s",
                    middle(format!("{with}{kib}k_ours_gib_per_s"))?,
                    middle(format!("{with}{kib}k_raw_gib_per_s"))?
                ),
            });
        }
        let ours = middle(format!("{kib}k_ours_gib_per_s"))?;
        let flights = rounds.iter().map(|(_, peers)| match &peers[place] {
            Ok(told) => Ok(number(told, "mib_per_second")? / 1024.0),
            Err(error) => Err(anyhow::anyhow!("{error:#}")),
        });
        let flight = median(&flights.collect::<Result<Vec<f64>>>()?);
        figures.push(Figure {
            what: format!("batches of {kib} KiB ÷ Arrow Flight"),
            measured: ours / flight,
            unit: Unit::Ratio,
            wanted: Wanted::AtLeast(1.5),
            of: format!("{ours:.2} : {flight:.2} GiB/s"),
        });
    }
    figures.push(Figure {
        what: "control call under bulk, 3,200 open streams, 99 of 100 within".into(),
        measured: middle("control_ms_p99".into())?,
        unit: Unit::Milliseconds,
        wanted: Wanted::AtMost(5.0),
        of: format!(
            "median {:.2} ms; with TLS {:.2} ms",
            middle("control_ms_median".into())?,
            middle("tls_control_ms_p99".into())?
        ),
    });
    Ok(figures)
}

fn build_flight(bench: &Bench) -> Result<PathBuf> {
    eprintln!("building Arrow Flight (the first time takes some minutes)");
    Workspace::new(&bench.root, "flight")?.program("arrow-flight-peer")
}
