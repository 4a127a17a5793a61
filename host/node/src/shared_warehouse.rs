//! Whether all nodes of a cluster see the same warehouse.
//!
//! The node that makes the cluster puts a file with a number drawn at random into the warehouse; the others must find it there.

use std::sync::Arc;
use std::time::Duration;

use nyala_schema::id::TableId;
use nyala_schema::{Error, ErrorCode, Result};
use nyala_storage::managed::Warehouse;
use uuid::Uuid;

/// The folder of what is of no table: no table has this id.
pub const OWN_FOLDER: TableId = TableId(0);
const FILE: &str = "warehouse-id";

/// How long a node waits for the one that makes the cluster, and between two looks: a shared folder tells nobody that a
/// file has come.
const PATIENCE: Duration = Duration::from_secs(15);
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// The id of a warehouse; of one that has none a new one when `makes`, the one of a node that makes the cluster.
///
/// # Errors
/// `InvalidParameter` for a warehouse without an id; those of the warehouse.
pub async fn id(warehouse: &Warehouse, makes: bool) -> Result<Arc<str>> {
    let give_up = tokio::time::Instant::now() + PATIENCE;
    loop {
        if let Some(id) = read(warehouse)? {
            return Ok(id);
        }
        if makes {
            return make(warehouse);
        }
        if tokio::time::Instant::now() >= give_up {
            let message =
                format!("the warehouse {} is not that of a cluster: it has no mark", warehouse.location());
            return Err(Error::new(ErrorCode::InvalidParameter, message).with_hint(
                "give --warehouse: the folder or object store that all nodes of the cluster share",
            ));
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

fn read(warehouse: &Warehouse) -> Result<Option<Arc<str>>> {
    if !warehouse.files(OWN_FOLDER)?.iter().any(|file| file.path == FILE) {
        return Ok(None);
    }
    let bytes = warehouse.read(OWN_FOLDER, FILE)?;
    let text = std::str::from_utf8(&bytes).unwrap_or_default().trim();
    if Uuid::try_parse(text).is_ok() {
        return Ok(Some(text.into()));
    }
    let message = format!("the mark {FILE} of the warehouse {} is damaged", warehouse.location());
    Err(Error::new(ErrorCode::CorruptFile, message)
        .with_hint("restore it from a node's log, which shows the warehouse's id at each start"))
}

fn make(warehouse: &Warehouse) -> Result<Arc<str>> {
    let id: Arc<str> = Uuid::now_v7().to_string().into();
    warehouse.write(OWN_FOLDER, FILE, format!("{id}\n").as_bytes())?;
    Ok(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_warehouse_keeps_its_id_and_one_without_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let open = |name: &str| Warehouse::open(&folder.path().join(name).to_string_lossy()).unwrap();
        let made = id(&open("shared"), true).await.unwrap();
        assert_eq!(id(&open("shared"), false).await.unwrap(), made);
        assert_eq!(id(&open("shared"), true).await.unwrap(), made);
        let error = id(&open("own"), false).await.unwrap_err();
        assert_eq!(error.code(), ErrorCode::InvalidParameter);
        assert!(error.hint().unwrap().contains("--warehouse"));
        open("shared").write(OWN_FOLDER, FILE, b"x").unwrap();
        assert_eq!(id(&open("shared"), true).await.unwrap_err().code(), ErrorCode::CorruptFile);
    }
}
