use super::*;
use crate::filesystem::Need;

fn store() -> (tempfile::TempDir, Store) {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), "boot", Need::Writing).unwrap();
    (dir, store)
}

fn key(number: u32) -> Key {
    Key::parse(&Digest::of(&number.to_le_bytes()).to_hex()).unwrap()
}

fn record(number: u32) -> Record {
    let id = Digest::of(b"x").to_hex();
    Record {
        version: RECORD_VERSION,
        key: key(number),
        op: format!("RUN echo {number}"),
        output: Output {
            snapshot: Some(SnapshotId::from_hex(&id).unwrap()),
            content: ContentId::from_hex(&id).unwrap(),
            extra: serde_json::json!({"n": number}),
        },
        created: 1_700_000_000,
        cost: 12,
        preimage: Preimage {
            fields: vec![
                Field {
                    name: "argv".into(),
                    value: FieldValue::Text("a\nb".into()),
                },
                Field {
                    name: "argv".into(),
                    value: FieldValue::Text(String::new()),
                },
            ],
        },
    }
}

#[test]
fn a_record_comes_back_as_it_went_in() {
    let (_dir, store) = store();
    assert_eq!(store.records().lookup(&key(1)).unwrap(), None);
    store.records().put(&record(1)).unwrap();
    store.records().put(&record(2)).unwrap();
    assert_eq!(store.records().lookup(&key(1)).unwrap(), Some(record(1)));
    let mut all: Vec<_> = store
        .records()
        .iter()
        .unwrap()
        .map(|found| found.unwrap().op)
        .collect();
    all.sort();
    assert_eq!(all, ["RUN echo 1", "RUN echo 2"]);
    assert!(store.records().remove(&key(1)).unwrap());
    assert_eq!(store.records().lookup(&key(1)).unwrap(), None);
}

#[test]
fn every_damaged_byte_is_a_miss_and_never_a_wrong_answer() {
    let (_dir, store) = store();
    let path = store.records().path(&key(1));
    store.records().put(&record(1)).unwrap();
    let whole = std::fs::read(&path).unwrap();
    for at in 0..whole.len() {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x01;
        std::fs::write(&path, &bytes).unwrap();
        assert_eq!(store.records().lookup(&key(1)).unwrap(), None, "byte {at}");
        assert!(!path.exists(), "removed after byte {at}");
    }
    for length in [0, 1, 20, whole.len() / 2, whole.len() - 1] {
        std::fs::write(&path, &whole[..length]).unwrap();
        assert_eq!(store.records().lookup(&key(1)).unwrap(), None, "length {length}");
    }
}

#[test]
fn a_record_under_another_key_is_a_miss() {
    let (_dir, store) = store();
    store.records().put(&record(1)).unwrap();
    let other = store.records().path(&key(2));
    std::fs::create_dir_all(other.parent().unwrap()).unwrap();
    std::fs::copy(store.records().path(&key(1)), &other).unwrap();
    assert_eq!(store.records().lookup(&key(2)).unwrap(), None);
    assert!(store.records().lookup(&key(1)).unwrap().is_some());
}

#[test]
fn a_tree_is_stored_once() {
    let (_dir, store) = store();
    let entry = |path: &[u8], fingerprint: &[u8]| FileListEntry {
        path: path.to_vec(),
        fingerprint: fingerprint.to_vec(),
    };
    let forward = FileList::new(vec![entry(b"a\xff\n", b"symlink caf\xe9"), entry(b"b", b"2")]);
    let backward = FileList::new(vec![entry(b"b", b"2"), entry(b"a\xff\n", b"symlink caf\xe9")]);
    let (reference, _lease) = store.records().put_tree(&forward).unwrap();
    assert_eq!(store.records().put_tree(&backward).unwrap().0, reference);
    assert_eq!(list_dir(&store.path("records/trees")).unwrap().len(), 1);
    assert_eq!(store.records().tree(&reference).unwrap(), Some(forward));

    let (empty, _lease) = store.records().put_tree(&FileList::default()).unwrap();
    assert_eq!(store.records().tree(&empty).unwrap(), Some(FileList::default()));

    let path = store.records().tree_path(&reference.digest);
    std::fs::write(&path, b"damaged").unwrap();
    assert_eq!(store.records().tree(&reference).unwrap(), None);
    assert!(!path.exists());
}

#[test]
fn a_hit_is_noted_as_a_use() {
    let (_dir, store) = store();
    store.records().put(&record(1)).unwrap();
    let path = store.records().path(&key(1));
    let old = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1000);
    std::fs::File::options()
        .write(true)
        .open(&path)
        .unwrap()
        .set_modified(old)
        .unwrap();
    store.records().iter().unwrap().for_each(drop);
    assert_eq!(
        std::fs::metadata(&path).unwrap().modified().unwrap(),
        old,
        "listing is no use"
    );
    store.records().lookup(&key(1)).unwrap();
    assert!(std::fs::metadata(&path).unwrap().modified().unwrap() > old);
}
