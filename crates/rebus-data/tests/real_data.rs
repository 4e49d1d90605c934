//! Large collections named by environment variables, for a look by hand: `--ignored`.

use rebus_data::{OpenOptions, open};

#[test]
#[ignore = "needs REBUS_COLLECTION, the path of a collection"]
fn a_collection_opens_and_reads() {
    let path = std::path::PathBuf::from(std::env::var("REBUS_COLLECTION").unwrap());
    let start = std::time::Instant::now();
    let collection = open(&path, &OpenOptions::default()).unwrap();
    println!("opened {} records as {} in {:?}", collection.len(), collection.format(), start.elapsed());
    println!("{:?}", collection.columns());
    let start = std::time::Instant::now();
    let bytes: usize = (0..collection.len())
        .map(|index| collection.record(index).unwrap())
        .filter_map(|record| record.picture("image").map(|picture| picture.bytes.len()))
        .sum();
    println!("read {bytes} bytes in {:?}", start.elapsed());
    let start = std::time::Instant::now();
    println!("fingerprint {} in {:?}", collection.fingerprint().unwrap(), start.elapsed());
    println!("{:?}", collection.captions(1).unwrap());
}
