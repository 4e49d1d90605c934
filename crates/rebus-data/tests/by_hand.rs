//! Large collections named by an environment variable, for a look by hand:
//!
//! `REBUS_COLLECTION=… cargo test -p rebus-data --test by_hand -- --ignored --nocapture`
//!
//! With `REBUS_CONVERTED=FOLDER` the collection is also written there in all formats, for
//! `tests/golden/check_converted.py`.

use std::{ops::ControlFlow, path::PathBuf, time::Instant};

use rebus_data::{Format, InspectOptions, OpenOptions, convert, inspect, open};

#[test]
#[ignore = "needs REBUS_COLLECTION, the path of a collection"]
fn a_collection_opens_and_reads() {
    let path = PathBuf::from(std::env::var("REBUS_COLLECTION").unwrap());
    let start = Instant::now();
    let collection = open(&path, &OpenOptions::default()).unwrap();
    println!("opened {} records as {} in {:?}", collection.len(), collection.format(), start.elapsed());
    let start = Instant::now();
    let bytes: usize = (0..collection.len())
        .map(|index| collection.record(index).unwrap())
        .filter_map(|record| record.picture("image").map(|picture| picture.bytes.len()))
        .sum();
    println!("read {bytes} bytes in {:?}", start.elapsed());
    let start = Instant::now();
    println!("fingerprint {} in {:?}", collection.fingerprint().unwrap(), start.elapsed());
    let start = Instant::now();
    let found = inspect(&*collection, &InspectOptions::default(), &mut |_, _| {}).unwrap();
    println!("inspected in {:?}: {}", start.elapsed(), serde_json::to_string_pretty(&found).unwrap());
    if let Ok(out) = std::env::var("REBUS_CONVERTED") {
        let out = PathBuf::from(out);
        for (format, name) in
            [(Format::Parquet, "set.parquet"), (Format::Webdataset, "shards"), (Format::Folder, "folder")]
        {
            let start = Instant::now();
            let report =
                convert(&*collection, format, &out.join(name), &mut |_, _| ControlFlow::Continue(()))
                    .unwrap();
            println!("converted in {:?}: {report:?}", start.elapsed());
        }
    }
}
