//! Batches from one process to another by Arrow Flight's DoPut, each process on one thread as a Nyala reactor is.
//!
//! usage: arrow-flight-peer BATCH_BYTES TOTAL_MIB

mod receiver;

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use arrow_array::{Int64Array, RecordBatch};
use arrow_flight::FlightClient;
use arrow_flight::encode::FlightDataEncoderBuilder;
use arrow_schema::{DataType, Field, Schema};
use futures::{StreamExt, TryStreamExt, stream};
use tonic::transport::Channel;

const COLUMNS: usize = 4;
/// The default of 64 KiB stalls a sender.
pub const WINDOW_BYTES: u32 = 8 << 20;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    match arguments.as_slice() {
        [role] if role == "receive" => runtime.block_on(receiver::serve()),
        [bytes, mib] => runtime.block_on(send(bytes.parse()?, mib.parse()?)),
        _ => bail!("usage: arrow-flight-peer BATCH_BYTES TOTAL_MIB"),
    }
}

async fn send(batch_bytes: usize, total_mib: usize) -> Result<()> {
    let receiver = Receiver::start()?;
    let channel = Channel::from_shared(format!("http://127.0.0.1:{}", receiver.port))?
        .initial_stream_window_size(WINDOW_BYTES)
        .initial_connection_window_size(WINDOW_BYTES)
        .tcp_nodelay(true)
        .connect()
        .await?;
    let mut client = FlightClient::new(channel);
    let batch = batch(batch_bytes);
    let batches = (total_mib << 20) / batch_bytes;
    // The first sees to it that all is warm.
    put(&mut client, &batch, batches / 8).await?;
    let start = Instant::now();
    put(&mut client, &batch, batches).await?;
    let seconds = start.elapsed().as_secs_f64();
    let mib = (batches * batch_bytes) as f64 / f64::from(1 << 20);
    println!("{}", serde_json::json!({ "mib_per_second": mib / seconds }));
    Ok(())
}

async fn put(client: &mut FlightClient, batch: &RecordBatch, count: usize) -> Result<()> {
    let batches = stream::iter((0..count).map({
        let batch = batch.clone();
        move |_| Ok(batch.clone())
    }));
    let encoded = FlightDataEncoderBuilder::new()
        .with_max_flight_data_size(16 << 20)
        .with_schema(batch.schema())
        .build(batches.boxed());
    let results = client.do_put(encoded).await?;
    results.try_for_each(|_| async { Ok(()) }).await?;
    Ok(())
}

fn batch(bytes: usize) -> RecordBatch {
    let rows = bytes / COLUMNS / size_of::<i64>();
    let fields = (0..COLUMNS).map(|column| Field::new(format!("c{column}"), DataType::Int64, false));
    let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
    let column = |column: usize| Arc::new(Int64Array::from_iter_values((0..rows).map(|row| (row * column) as i64)));
    let columns = (0..COLUMNS).map(|number| column(number) as _).collect();
    RecordBatch::try_new(schema, columns).expect("columns of one length")
}

/// The process that takes the batches; ends with this one.
struct Receiver {
    child: Child,
    port: u16,
}

impl Receiver {
    fn start() -> Result<Self> {
        let program = std::env::current_exe()?;
        let mut child = Command::new(program).arg("receive").stdout(Stdio::piped()).spawn()?;
        let mut line = String::new();
        let output = child.stdout.take().context("the receiver's output")?;
        BufReader::new(output).read_line(&mut line)?;
        let port = line.trim().parse().context("the receiver's port")?;
        Ok(Self { child, port })
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        // It has nothing to lose.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
