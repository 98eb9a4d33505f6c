use rbuild_layer::SnapshotId;
use rbuild_oci::{Descriptor, DiffId, ImageConfig, RootFs, media_type};

use super::*;
use crate::filesystem::Need;

fn store() -> (tempfile::TempDir, Store) {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), "boot", Need::Writing).unwrap();
    (dir, store)
}

fn record(number: u64) -> ImageRecord {
    let diff_id = DiffId::from_bytes(*Digest::of(&number.to_le_bytes()).as_bytes());
    let config = ImageConfig {
        os: "linux".into(),
        architecture: "amd64".into(),
        rootfs: RootFs {
            diff_ids: vec![diff_id],
            ..RootFs::default()
        },
        ..ImageConfig::default()
    };
    let snapshot = SnapshotId::from_bytes(*diff_id.as_bytes());
    let layer = ImageLayer {
        diff_id,
        source: LayerSource::Snapshot {
            depth: 1,
            id: snapshot,
            size: 1024,
            epoch: None,
        },
    };
    ImageRecord::new(
        &config.to_bytes().unwrap(),
        None,
        Some(snapshot),
        vec![layer],
        number,
    )
    .unwrap()
}

#[test]
fn found_by_every_name() {
    let (_dir, store) = store();
    let mut image = record(1);
    let manifest = Digest::of(b"manifest");
    image.manifest = Some(Descriptor::new(media_type::OCI_MANIFEST, manifest, 8));
    store.images().put(&image).unwrap();
    assert_eq!(
        store
            .images()
            .tag("docker.io/library/app:latest", &image.id)
            .unwrap(),
        None
    );
    for wanted in [
        "docker.io/library/app:latest".to_owned(),
        image.id.to_string(),
        image.id.to_hex(),
        image.id.to_hex()[..12].to_owned(),
        image.id.to_string()[..20].to_owned(),
        manifest.to_string(),
    ] {
        assert_eq!(store.images().lookup(&wanted).unwrap(), image, "{wanted}");
    }
    for wanted in [
        "app",
        "",
        "abc",
        "zzzzzz",
        "../../version",
        &Digest::of(b"no").to_string(),
    ] {
        let error = store.images().lookup(wanted).unwrap_err();
        assert!(matches!(error, StoreError::NoSuchImage(_)), "{wanted}: {error}");
    }
}

#[test]
fn a_tag_moves_and_goes() {
    let (_dir, store) = store();
    let (one, two) = (record(1), record(2));
    store.images().put(&one).unwrap();
    store.images().put(&two).unwrap();
    assert_eq!(store.images().tag("app", &one.id).unwrap(), None);
    assert_eq!(store.images().tag("app", &one.id).unwrap(), None);
    assert_eq!(store.images().tag("app", &two.id).unwrap(), Some(one.id));
    store.images().tag("other", &two.id).unwrap();
    let listed: Vec<_> = store
        .images()
        .list()
        .unwrap()
        .into_iter()
        .map(|(image, names)| (image.id, names))
        .collect();
    assert_eq!(
        listed,
        [
            (two.id, vec!["app".to_owned(), "other".to_owned()]),
            (one.id, vec![])
        ]
    );
    assert_eq!(store.images().untag("app").unwrap(), Some(two.id));
    assert_eq!(store.images().untag("app").unwrap(), None);
    assert_eq!(
        store.images().remove(&two.id).unwrap(),
        Some(vec!["other".to_owned()])
    );
    assert_eq!(store.images().remove(&two.id).unwrap(), None);
    assert!(matches!(
        store.images().tag("app", &two.id),
        Err(StoreError::NoSuchImage(_))
    ));
    assert_eq!(store.images().tags().unwrap(), []);
}

#[test]
fn a_prefix_must_fit_one() {
    let (_dir, store) = store();
    let records: Vec<_> = (0..400).map(record).collect();
    for image in &records {
        std::fs::write(
            store.images().record_path(&image.id),
            json::write("x", image).unwrap(),
        )
        .unwrap();
    }
    let mut prefixes: Vec<String> = records
        .iter()
        .map(|image| image.id.to_hex()[..4].to_owned())
        .collect();
    prefixes.sort();
    let shared = prefixes
        .windows(2)
        .find(|pair| pair[0] == pair[1])
        .map(|pair| pair[0].clone());
    if let Some(shared) = shared {
        let error = store.images().lookup(&shared).unwrap_err();
        assert!(matches!(error, StoreError::AmbiguousImage { .. }), "{error}");
    }
    let first = &records[0];
    assert_eq!(store.images().lookup(&first.id.to_hex()[..16]).unwrap(), *first);
}

#[test]
fn a_record_with_a_foreign_config_is_refused() {
    let (_dir, store) = store();
    let image = record(1);
    store.images().put(&image).unwrap();
    let path = store.images().record_path(&image.id);
    let text = std::fs::read_to_string(&path).unwrap().replace("amd64", "arm64");
    std::fs::write(&path, text).unwrap();
    let error = store.images().get(&image.id).unwrap_err();
    assert!(
        error.is_corruption() && error.to_string().contains("its config is not the image's"),
        "{error}"
    );
    assert!(store.images().list().unwrap().is_empty());

    let mut forged = record(2);
    forged.id = image.id;
    assert!(store.images().put(&forged).is_err());
    let mut layers = record(3);
    layers.layers.clear();
    assert!(matches!(
        store.images().put(&layers),
        Err(ImageError::Document(DocumentError::LayerCount { .. }))
    ));
}

#[test]
fn a_torn_tag_is_a_free_name() {
    let (_dir, store) = store();
    let image = record(1);
    store.images().put(&image).unwrap();
    store.images().tag("app", &image.id).unwrap();
    std::fs::write(store.images().tag_path("app").unwrap(), "").unwrap();
    assert_eq!(store.images().resolve_tag("app").unwrap(), None);
    store.images().tag("app", &image.id).unwrap();
    assert_eq!(store.images().resolve_tag("app").unwrap(), Some(image.id));
}
