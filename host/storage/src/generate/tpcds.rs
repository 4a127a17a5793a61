//! TPC-DS: one thread for each table, as many at a time as there are processors.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;

use arrow::record_batch::RecordBatchReader;
use nyala_schema::{Error, ErrorCode, Result};
use tpcdsgen::config::{Session, SessionBuilder};
use tpcdsgen_arrow as columns;

use crate::sink::{ParquetCompression, SinkFormat, create_sink};

use super::{GeneratedTable, Progress, path_of};

type Source = fn(Session) -> Box<dyn RecordBatchReader>;

macro_rules! tables {
    ($($name:literal = $columns:ident;)*) => {
        /// The largest first, so that none of them is started last.
        const TABLES: &[(&str, Source)] = &[
            $(($name, |session| Box::new(columns::$columns::new(session))),)*
        ];
    };
}

tables! {
    "store_sales" = StoreSalesArrow;
    "catalog_sales" = CatalogSalesArrow;
    "inventory" = InventoryArrow;
    "web_sales" = WebSalesArrow;
    "store_returns" = StoreReturnsArrow;
    "catalog_returns" = CatalogReturnsArrow;
    "web_returns" = WebReturnsArrow;
    "customer_demographics" = CustomerDemographicsArrow;
    "customer" = CustomerArrow;
    "customer_address" = CustomerAddressArrow;
    "time_dim" = TimeDimArrow;
    "date_dim" = DateDimArrow;
    "item" = ItemArrow;
    "catalog_page" = CatalogPageArrow;
    "household_demographics" = HouseholdDemographicsArrow;
    "promotion" = PromotionArrow;
    "web_page" = WebPageArrow;
    "reason" = ReasonArrow;
    "call_center" = CallCenterArrow;
    "income_band" = IncomeBandArrow;
    "ship_mode" = ShipModeArrow;
    "store" = StoreArrow;
    "warehouse" = WarehouseArrow;
    "web_site" = WebSiteArrow;
}

pub fn table_names() -> Vec<&'static str> {
    TABLES.iter().map(|(name, _)| *name).collect()
}

pub fn generate(
    scale: f64,
    directory: &Path,
    threads: usize,
    progress: &dyn Fn(Progress),
) -> Result<Vec<GeneratedTable>> {
    let next = AtomicUsize::new(0);
    let (sender, receiver) = mpsc::sync_channel::<Result<Report>>(64);
    let mut finished = Vec::with_capacity(TABLES.len());
    std::thread::scope(|scope| {
        for _ in 0..threads.min(TABLES.len()) {
            let sender = sender.clone();
            let next = &next;
            scope.spawn(move || {
                while let Some((table, source)) = TABLES.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let result = write_table(table, *source, scale, directory, &sender);
                    // When nobody listens any more, another table has failed.
                    if sender.send(result.map(Report::Finished)).is_err() {
                        return;
                    }
                }
            });
        }
        drop(sender);
        // Dropped when a table failed, which stops the others.
        for report in receiver {
            match report? {
                Report::Written(report) => progress(report),
                Report::Finished(table) => {
                    progress(Progress { table: table.table, rows: table.rows, finished: true });
                    finished.push(table);
                }
            }
        }
        Ok(())
    })
    .map(|()| finished)
}

enum Report {
    Written(Progress),
    Finished(GeneratedTable),
}

fn write_table(
    table: &'static str,
    source: Source,
    scale: f64,
    directory: &Path,
    sender: &mpsc::SyncSender<Result<Report>>,
) -> Result<GeneratedTable> {
    let session = SessionBuilder::new().with_scale_factor(scale).build().map_err(|error| {
        Error::new(ErrorCode::InvalidParameter, format!("TPC-DS at scale {scale}: {error}"))
    })?;
    let batches = source(session);
    let path = path_of(directory, table);
    let format = SinkFormat::Parquet(ParquetCompression::Snappy);
    let mut sink = create_sink(&path, &format, batches.schema())?;
    let (mut rows, mut reported) = (0, 0);
    for batch in batches {
        let batch = batch?;
        rows += batch.num_rows() as u64;
        sink.write(&batch)?;
        if rows - reported >= 100_000 {
            reported = rows;
            let report = Report::Written(Progress { table, rows, finished: false });
            sender.send(Ok(report)).map_err(|_| Error::cancelled())?;
        }
    }
    let summary = sink.finish()?;
    Ok(GeneratedTable { table, path, rows: summary.rows, bytes: summary.bytes })
}
