use std::io::Write;

use rbuild_oci::media_type::{OCI_CONFIG, OCI_INDEX, OCI_LAYER_GZIP, OCI_MANIFEST};
use rbuild_oci::{Index, Manifest, MediaTypes, RootFs};

use super::*;
use crate::filesystem::Need;
use crate::small_file::list_dir;

struct Bench {
    dir: tempfile::TempDir,
    store: Store,
}

fn bench() -> Bench {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(&dir.path().join("store"), "boot", Need::Writing).unwrap();
    Bench { dir, store }
}

type Files = Vec<(String, Vec<u8>)>;

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn config(layers: &[&[u8]], architecture: &str) -> Vec<u8> {
    let diff_ids = layers
        .iter()
        .map(|layer| DiffId::from_bytes(*Digest::of(layer).as_bytes()))
        .collect();
    ImageConfig {
        os: "linux".into(),
        architecture: architecture.into(),
        rootfs: RootFs {
            diff_ids,
            ..RootFs::default()
        },
        ..ImageConfig::default()
    }
    .to_bytes()
    .unwrap()
}

fn blob(files: &mut Files, media_type: &str, bytes: &[u8]) -> Descriptor {
    let digest = Digest::of(bytes);
    files.push((format!("blobs/sha256/{}", digest.to_hex()), bytes.to_vec()));
    Descriptor::new(media_type, digest, bytes.len() as u64)
}

const LAYERS: [&[u8]; 2] = [b"first layer", b"second layer"];

/// The files of an OCI layout with one image named `app:latest`.
fn oci_files() -> Files {
    let mut files = Files::new();
    let config = blob(&mut files, OCI_CONFIG, &config(&LAYERS, "amd64"));
    let layers = LAYERS
        .iter()
        .map(|layer| blob(&mut files, OCI_LAYER_GZIP, &gzip(layer)))
        .collect();
    let manifest = Manifest::new(MediaTypes::Oci, config, layers).to_bytes().unwrap();
    let mut entry = blob(&mut files, OCI_MANIFEST, &manifest);
    entry.annotations = Some([(rbuild_oci::REF_NAME.to_owned(), "app:latest".to_owned())].into());
    files.push(("index.json".into(), Index::new(vec![entry]).to_bytes().unwrap()));
    files.push(("oci-layout".into(), br#"{"imageLayoutVersion":"1.0.0"}"#.to_vec()));
    files
}

fn docker_files(layers: &[&[u8]]) -> Files {
    let mut files = Files::new();
    let config = config(&LAYERS, "amd64");
    let name = format!("{}.json", Digest::of(&config).to_hex());
    files.push((name.clone(), config));
    for (number, layer) in layers.iter().enumerate() {
        files.push((format!("{number}/layer.tar"), layer.to_vec()));
    }
    let items = serde_json::json!([{"Config": name, "RepoTags": ["b:2", "a:1"],
        "Layers": (0..layers.len()).map(|number| format!("{number}/layer.tar")).collect::<Vec<_>>()}]);
    files.push(("manifest.json".into(), serde_json::to_vec(&items).unwrap()));
    files
}

fn add(builder: &mut tar::Builder<Vec<u8>>, kind: tar::EntryType, name: &str, link: &str, bytes: &[u8]) {
    let mut header = tar::Header::new_gnu();
    // Written as it is: `set_path` would refuse what a hostile archive does.
    header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
    header.as_old_mut().linkname[..link.len()].copy_from_slice(link.as_bytes());
    header.set_entry_type(kind);
    header.set_size(bytes.len() as u64);
    header.set_mode(0o644);
    header.set_cksum();
    builder.append(&header, bytes).unwrap();
}

fn tar(files: &Files) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, bytes) in files {
        add(&mut builder, tar::EntryType::Regular, name, "", bytes);
    }
    builder.into_inner().unwrap()
}

impl Bench {
    fn file(&self, name: &str, bytes: &[u8]) -> std::path::PathBuf {
        let path = self.dir.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }

    fn open(&self, bytes: &[u8]) -> Result<Box<dyn ImageSource>, ImageError> {
        open(&self.store, &self.file("archive", bytes))
    }

    fn load(&self, bytes: &[u8]) -> Result<Ingested, ImageError> {
        let source = self.open(bytes)?;
        let image = source.image(0)?;
        let pin = self.store.locks().pin_blobs()?;
        ingest(&self.store, &*source, &image, &pin)
    }

    fn refused(&self, bytes: &[u8]) -> String {
        let error = match self.load(bytes) {
            Ok(_) => panic!("accepted"),
            Err(error) => error,
        };
        for name in list_dir(&self.store.path("blobs/sha256")).unwrap() {
            self.store
                .blobs()
                .verify(&Digest::from_hex(&name).unwrap())
                .unwrap();
        }
        error.to_string()
    }
}

fn check_loaded(bench: &Bench, source: &dyn ImageSource) {
    let image = source.image(0).unwrap();
    let pin = bench.store.locks().pin_blobs().unwrap();
    let ingested = ingest(&bench.store, source, &image, &pin).unwrap();
    assert_eq!(ingested.layers.len(), 2);
    for (layer, expected) in ingested.layers.iter().zip(LAYERS) {
        let LayerSource::Blob(descriptor) = &layer.source else {
            panic!("{layer:?}")
        };
        let bytes = bench.store.blobs().read(&descriptor.digest, 1000).unwrap();
        assert!(rbuild_oci::media_type::layer_compression(&descriptor.media_type).is_some());
        let mut plain = Vec::new();
        let (_, mut reader) = rbuild_layer::decompress(&bytes[..], "x").unwrap();
        reader.read_to_end(&mut plain).unwrap();
        assert_eq!(plain, expected);
        assert_eq!(layer.diff_id.as_bytes(), Digest::of(expected).as_bytes());
    }
    if let Some(descriptor) = &ingested.manifest {
        assert!(bench.store.blobs().has(&descriptor.digest).unwrap());
    }
    assert!(bench.store.blobs().has(&Digest::of(&image.config)).unwrap());
}

#[test]
fn an_oci_layout_in_every_wrapping() {
    let bench = bench();
    let files = oci_files();
    let dir = bench.dir.path().join("layout");
    for (name, bytes) in &files {
        let path = dir.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
    std::fs::write(dir.join("README"), "extra files are no error").unwrap();
    let source = open(&bench.store, &dir).unwrap();
    assert_eq!(source.entries()[0].names, ["app:latest"]);
    check_loaded(&bench, &*source);
    check_loaded(&bench, &*bench.open(&tar(&files)).unwrap());
    check_loaded(&bench, &*bench.open(&gzip(&tar(&files))).unwrap());
    check_loaded(
        &bench,
        &*open_stream(&bench.store, Path::new("-"), &gzip(&tar(&files))[..]).unwrap(),
    );
    let dotted: Files = files
        .iter()
        .map(|(name, bytes)| (format!("./{name}"), bytes.clone()))
        .collect();
    check_loaded(&bench, &*bench.open(&tar(&dotted)).unwrap());
    let zst = std::process::Command::new("zstd")
        .arg("-qf")
        .arg(bench.file("x.tar", &tar(&files)))
        .status();
    match zst {
        Ok(status) if status.success() => {
            check_loaded(
                &bench,
                &*open(&bench.store, &bench.dir.path().join("x.tar.zst")).unwrap(),
            );
        }
        _ => println!("skipped: zstd is not installed"),
    }
}

#[test]
fn a_docker_archive() {
    let bench = bench();
    let source = bench.open(&tar(&docker_files(&LAYERS))).unwrap();
    assert_eq!(source.entries()[0].names, ["a:1", "b:2"]);
    check_loaded(&bench, &*source);
    let (one, two) = (gzip(LAYERS[0]), gzip(LAYERS[1]));
    check_loaded(&bench, &*bench.open(&tar(&docker_files(&[&one, &two]))).unwrap());
}

#[test]
fn a_docker_archive_with_links_between_its_layers() {
    let bench = bench();
    let mut files = docker_files(&LAYERS);
    let second = files.iter().position(|(name, _)| name == "1/layer.tar").unwrap();
    let (_, bytes) = files.remove(second);
    files.push(("real/layer.tar".into(), bytes));
    let build = |kind, target: &str| {
        let mut builder = tar::Builder::new(Vec::new());
        for (name, bytes) in &files {
            add(&mut builder, tar::EntryType::Regular, name, "", bytes);
        }
        add(&mut builder, kind, "1/layer.tar", target, b"");
        builder.into_inner().unwrap()
    };
    check_loaded(
        &bench,
        &*bench
            .open(&build(tar::EntryType::Symlink, "../real/layer.tar"))
            .unwrap(),
    );
    check_loaded(
        &bench,
        &*bench
            .open(&build(tar::EntryType::Link, "real/layer.tar"))
            .unwrap(),
    );
    for (target, expected) in [
        ("/etc/passwd", "link `1/layer.tar` leads outside"),
        ("../../etc/passwd", "link `1/layer.tar` leads outside"),
        ("layer.tar", "go in circles"),
        ("../gone", "`1/layer.tar` is missing"),
    ] {
        let text = bench.refused(&build(tar::EntryType::Symlink, target));
        assert!(text.contains(expected), "{target}: {text}");
    }
}

#[test]
fn hostile_entries() {
    let bench = bench();
    let canary = bench.file("canary", b"alive");
    let with = |kind, name: &str, bytes: &[u8]| {
        let mut builder = tar::Builder::new(Vec::new());
        for (name, bytes) in &oci_files() {
            add(&mut builder, tar::EntryType::Regular, name, "", bytes);
        }
        add(&mut builder, kind, name, "", bytes);
        builder.into_inner().unwrap()
    };
    for (kind, name, expected) in [
        (tar::EntryType::Regular, "../canary", "leads outside"),
        (tar::EntryType::Regular, "/canary", "leads outside"),
        (tar::EntryType::Regular, "blobs/../../canary", "leads outside"),
        (tar::EntryType::Regular, "index.json", "it has `index.json` twice"),
        (
            tar::EntryType::Regular,
            "./index.json",
            "it has `index.json` twice",
        ),
        (tar::EntryType::Char, "dev", "kind '3'"),
        (tar::EntryType::Fifo, "pipe", "kind '6'"),
        (tar::EntryType::GNUSparse, "sparse", "is damaged"),
    ] {
        let text = bench.refused(&with(kind, name, b""));
        assert!(text.contains(expected), "{name}: {text}");
    }
    assert_eq!(std::fs::read(canary).unwrap(), b"alive");
    assert!(!bench.dir.path().join("store/canary").exists());
}

#[test]
fn every_blob_changed_in_turn_is_found() {
    let bench = bench();
    let files = oci_files();
    for at in 0..files.len() {
        let mut changed = files.clone();
        let name = changed[at].0.clone();
        if let Some(last) = changed[at].1.last_mut() {
            *last ^= 1;
        }
        let text = bench.refused(&tar(&changed));
        if name.starts_with("blobs/") {
            assert!(
                text.contains("has digest") && text.contains(name.as_str()),
                "{name}: {text}"
            );
        }
        let mut longer = files.clone();
        longer[at].1.push(b' ');
        if longer[at].0.starts_with("blobs/") {
            let text = bench.refused(&tar(&longer));
            assert!(text.contains("bytes, expected"), "{}: {text}", longer[at].0);
        }
        let mut without = files.clone();
        let (name, _) = without.remove(at);
        let text = bench.refused(&tar(&without));
        assert!(
            text.contains("is missing") || text.contains("neither"),
            "{name}: {text}"
        );
    }
    assert!(bench.load(&tar(&files)).is_ok());
}

#[test]
fn a_layer_of_a_docker_archive_that_was_changed() {
    let bench = bench();
    let text = bench.refused(&tar(&docker_files(&[LAYERS[0], b"other layer"])));
    assert!(
        text.contains("`1/layer.tar`") && text.contains("has digest"),
        "{text}"
    );
    let text = bench.refused(&tar(&docker_files(&[LAYERS[0]])));
    assert_eq!(text, "the manifest lists 1 layers but the config lists 2");
    let mut outside = docker_files(&LAYERS);
    let manifest = outside.last_mut().unwrap();
    manifest.1 = String::from_utf8(manifest.1.clone())
        .unwrap()
        .replace("0/layer.tar", "../../x")
        .into_bytes();
    assert!(bench.refused(&tar(&outside)).contains("which is outside"));
}

#[test]
fn cut_anywhere() {
    let bench = bench();
    let whole = tar(&oci_files());
    // What is only zeros at the end (two blocks and the padding of a short file) is not needed.
    let needed = whole.iter().rposition(|&byte| byte != 0).unwrap();
    for length in (0..needed).step_by(97).chain([needed]) {
        let text = bench.refused(&whole[..length]);
        assert!(!text.is_empty());
    }
    let packed = gzip(&whole);
    for length in [1, 5, 10, packed.len() / 2, packed.len() - 9, packed.len() - 1] {
        bench.refused(&packed[..length]);
    }
    bench.refused(b"neither tar nor anything else");
    bench.refused(&[0; 4096]);
}

#[test]
fn the_image_for_this_machine_is_chosen() {
    let bench = bench();
    let mut files = Files::new();
    let mut entries = Vec::new();
    for (architecture, variant) in [("amd64", None), ("arm", Some("v6")), ("unknown", None)] {
        let config = blob(&mut files, OCI_CONFIG, &config(&[], architecture));
        let manifest = Manifest::new(MediaTypes::Oci, config, vec![]).to_bytes().unwrap();
        let mut entry = blob(&mut files, OCI_MANIFEST, &manifest);
        let os = if architecture == "unknown" {
            "unknown"
        } else {
            "linux"
        };
        entry.platform = Some(ImagePlatform::new(os, architecture, variant));
        entries.push(entry);
    }
    let inner = Index::new(entries).to_bytes().unwrap();
    let mut outer = blob(&mut files, OCI_INDEX, &inner);
    outer.annotations = Some(
        [(
            rbuild_oci::CONTAINERD_NAME.to_owned(),
            "docker.io/library/app:2".to_owned(),
        )]
        .into(),
    );
    files.push(("index.json".into(), Index::new(vec![outer]).to_bytes().unwrap()));
    files.push(("oci-layout".into(), br#"{"imageLayoutVersion":"1.0.0"}"#.to_vec()));
    let source = bench.open(&tar(&files)).unwrap();
    assert_eq!(source.entries().len(), 2, "the attestation is no image");
    let chosen = |wanted: Option<&str>, machine: ImagePlatform| choose(&*source, wanted, &machine);
    let amd64 = || ImagePlatform::new("linux", "amd64", None);
    assert_eq!(chosen(None, amd64()).unwrap(), 0);
    assert_eq!(chosen(Some("2"), amd64()).unwrap(), 0);
    assert_eq!(
        chosen(
            Some("docker.io/library/app:2"),
            ImagePlatform::new("linux", "arm", Some("v7"))
        )
        .unwrap(),
        1
    );
    let text = chosen(None, ImagePlatform::new("linux", "s390x", None))
        .unwrap_err()
        .to_string();
    assert!(
        text.contains("no image for linux/s390x, only for linux/amd64, linux/arm/v6"),
        "{text}"
    );
    let text = chosen(Some("other"), amd64()).unwrap_err().to_string();
    assert!(
        text.contains("no image `other`; it has docker.io/library/app:2"),
        "{text}"
    );
    assert_eq!(source.image(0).unwrap().layers, []);
}

#[test]
fn a_link_in_a_layout_directory_does_not_lead_out() {
    let bench = bench();
    let dir = bench.dir.path().join("layout");
    for (name, bytes) in &oci_files() {
        let path = dir.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
    let index = dir.join("index.json");
    std::fs::rename(&index, bench.dir.path().join("index.json")).unwrap();
    std::os::unix::fs::symlink(bench.dir.path().join("index.json"), &index).unwrap();
    assert!(open(&bench.store, &dir).is_err());
}

#[test]
fn what_is_no_image_is_called_so() {
    let bench = bench();
    let error = open(&bench.store, &bench.dir.path().join("absent"))
        .err()
        .unwrap();
    assert!(error.to_string().contains("cannot open"), "{error}");
    let files = vec![("hello.txt".to_owned(), b"x".to_vec())];
    let text = bench.refused(&tar(&files));
    assert!(
        text.contains("is not an image archive: it has neither `oci-layout`"),
        "{text}"
    );
    let error = open(&bench.store, Path::new("/dev/null")).err().unwrap();
    assert!(error.to_string().contains("neither a file nor a pipe"), "{error}");
}
