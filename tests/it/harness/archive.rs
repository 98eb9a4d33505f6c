//! Reads what builders write, entry by entry with all metadata, without any of rbuild's own code.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::{Cursor, Read};
use std::path::Path;

use serde_json::Value;
use sha2::Digest as _;

/// One entry of a tar.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Without a leading `./` or `/` and without a trailing `/`; the root itself is empty.
    pub(crate) path: String,
    pub(crate) kind: Kind,
    pub(crate) mode: u32,
    pub(crate) uid: u64,
    pub(crate) gid: u64,
    /// Whole seconds.
    pub(crate) mtime: u64,
    pub(crate) xattrs: BTreeMap<String, Vec<u8>>,
    /// The user and group names, which a builder should leave empty.
    pub(crate) names: (String, String),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    File {
        size: u64,
        sha256: String,
        contents: Contents,
    },
    Hardlink {
        to: String,
    },
    Dir,
    Symlink {
        to: String,
    },
    Fifo,
    Char {
        major: u32,
        minor: u32,
    },
    Block {
        major: u32,
        minor: u32,
    },
    Other(u8),
}

/// What a file holds, kept only while it is small, and not printed.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Contents(pub(crate) Option<Vec<u8>>);

impl std::fmt::Debug for Contents {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("…")
    }
}

const SMALL: u64 = 1 << 20;

impl Entry {
    /// What the file holds, as text. For a file of less than a megabyte.
    #[track_caller]
    pub(crate) fn text(&self) -> String {
        let Kind::File {
            contents: Contents(Some(bytes)),
            ..
        } = &self.kind
        else {
            panic!("{} is no small file: {:?}", self.path, self.kind);
        };
        String::from_utf8_lossy(bytes).into_owned()
    }
}

/// All entries of a tar in the order in which they stand there.
#[track_caller]
pub(crate) fn entries(reader: impl Read) -> Vec<Entry> {
    let mut archive = tar::Archive::new(reader);
    archive.set_ignore_zeros(false);
    let mut found = Vec::new();
    for entry in archive.entries().expect("the tar can be read") {
        let mut entry = entry.expect("the tar has a readable entry");
        let mut xattrs = BTreeMap::new();
        if let Some(extensions) = entry.pax_extensions().expect("pax headers can be read") {
            for extension in extensions.flatten() {
                if let Some(name) = extension.key_bytes().strip_prefix(b"SCHILY.xattr.") {
                    xattrs.insert(
                        String::from_utf8_lossy(name).into_owned(),
                        extension.value_bytes().to_vec(),
                    );
                }
            }
        }
        let header = entry.header().clone();
        let link = entry
            .link_name_bytes()
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            .unwrap_or_default();
        let device = || {
            let part =
                |part: std::io::Result<Option<u32>>| part.expect("device numbers can be read").unwrap_or(0);
            (part(header.device_major()), part(header.device_minor()))
        };
        let path = plain(&String::from_utf8_lossy(&entry.path_bytes()));
        let kind = match header.entry_type() {
            tar::EntryType::Regular | tar::EntryType::Continuous | tar::EntryType::GNUSparse => {
                let (size, sha256, contents) = drained(&mut entry);
                Kind::File {
                    size,
                    sha256,
                    contents,
                }
            }
            tar::EntryType::Link => Kind::Hardlink { to: plain(&link) },
            tar::EntryType::Directory => Kind::Dir,
            tar::EntryType::Symlink => Kind::Symlink { to: link },
            tar::EntryType::Fifo => Kind::Fifo,
            tar::EntryType::Char => Kind::Char {
                major: device().0,
                minor: device().1,
            },
            tar::EntryType::Block => Kind::Block {
                major: device().0,
                minor: device().1,
            },
            other => Kind::Other(other.as_byte()),
        };
        found.push(Entry {
            path,
            kind,
            mode: header.mode().expect("the mode can be read") & 0o7777,
            uid: entry.header().uid().expect("the owner can be read"),
            gid: entry.header().gid().expect("the group can be read"),
            mtime: header.mtime().expect("the time can be read"),
            xattrs,
            names: (text(header.username_bytes()), text(header.groupname_bytes())),
        });
    }
    found
}

/// The entries of a tar file on disk.
#[track_caller]
pub(crate) fn entries_of(path: &Path) -> Vec<Entry> {
    entries(std::io::BufReader::new(
        std::fs::File::open(path).expect("the tar is there"),
    ))
}

/// The tree that a stack of layers makes, whiteouts applied, by path.
pub(crate) fn flattened(layers: &[Vec<Entry>]) -> BTreeMap<String, Entry> {
    let mut tree: BTreeMap<String, Entry> = BTreeMap::new();
    for layer in layers {
        // Whiteouts speak of the layers below only, wherever they stand in the tar.
        for entry in layer {
            let (folder, name) = entry.path.rsplit_once('/').unwrap_or(("", &entry.path));
            let Some(hidden) = name.strip_prefix(".wh.") else {
                continue;
            };
            if hidden == ".wh..opq" {
                remove_below(&mut tree, folder);
            } else {
                let path = if folder.is_empty() {
                    hidden.to_owned()
                } else {
                    format!("{folder}/{hidden}")
                };
                remove_below(&mut tree, &path);
                tree.remove(&path);
            }
        }
        for entry in layer {
            if entry
                .path
                .rsplit('/')
                .next()
                .is_some_and(|name| name.starts_with(".wh."))
            {
                continue;
            }
            if entry.kind != Kind::Dir {
                remove_below(&mut tree, &entry.path);
            }
            tree.insert(entry.path.clone(), entry.clone());
        }
    }
    tree
}

fn remove_below(tree: &mut BTreeMap<String, Entry>, folder: &str) {
    if folder.is_empty() {
        tree.clear();
        return;
    }
    let prefix = format!("{folder}/");
    tree.retain(|path, _| !path.starts_with(&prefix));
}

/// An image with all it is made of. Reading it checks every digest and size on the way.
pub(crate) struct OciImage {
    pub(crate) index: Value,
    pub(crate) manifest: Value,
    pub(crate) manifest_digest: String,
    pub(crate) config: Value,
    pub(crate) config_digest: String,
    /// The layers as tar bytes, decompressed, lowest first.
    pub(crate) layer_tars: Vec<Vec<u8>>,
    pub(crate) layers: Vec<Vec<Entry>>,
}

impl OciImage {
    /// From a tar with an OCI layout in it.
    #[track_caller]
    pub(crate) fn from_archive(path: &Path) -> OciImage {
        let mut files = BTreeMap::new();
        let mut archive = tar::Archive::new(std::fs::File::open(path).expect("the archive is there"));
        for entry in archive.entries().expect("the archive can be read") {
            let mut entry = entry.expect("the archive has a readable entry");
            let name = plain(&String::from_utf8_lossy(&entry.path_bytes()));
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes).expect("an entry can be read");
            if entry.header().entry_type().is_file() {
                files.insert(name, bytes);
            }
        }
        OciImage::from_files(|name| files.get(name).cloned())
    }

    /// From a directory with an OCI layout in it.
    #[track_caller]
    pub(crate) fn from_dir(dir: &Path) -> OciImage {
        OciImage::from_files(|name| std::fs::read(dir.join(name)).ok())
    }

    #[track_caller]
    fn from_files(file: impl Fn(&str) -> Option<Vec<u8>>) -> OciImage {
        let json = |bytes: &[u8]| -> Value { serde_json::from_slice(bytes).expect("it is JSON") };
        let blob = |descriptor: &Value| -> Vec<u8> {
            let digest = descriptor["digest"].as_str().expect("a descriptor has a digest");
            let hex = digest.strip_prefix("sha256:").expect("the digest is a sha256");
            let bytes = file(&format!("blobs/sha256/{hex}")).unwrap_or_else(|| panic!("no blob {digest}"));
            assert_eq!(sha256(&bytes), hex, "the blob is not what its name says");
            assert_eq!(
                descriptor["size"].as_u64(),
                Some(bytes.len() as u64),
                "the size of {digest}"
            );
            bytes
        };
        let layout = json(&file("oci-layout").expect("oci-layout is there"));
        assert_eq!(layout["imageLayoutVersion"], "1.0.0");
        let index = json(&file("index.json").expect("index.json is there"));
        let mut descriptor = index["manifests"][0].clone();
        let mut manifest = json(&blob(&descriptor));
        // An index of one platform within the index.
        if manifest["manifests"].is_array() {
            descriptor = manifest["manifests"][0].clone();
            manifest = json(&blob(&descriptor));
        }
        let config = json(&blob(&manifest["config"]));
        let text = |value: &Value| value.as_str().expect("it is a string").to_owned();
        let mut layer_tars = Vec::new();
        for layer in manifest["layers"].as_array().expect("the manifest has layers") {
            layer_tars.push(decompressed(blob(layer), &text(&layer["mediaType"])));
        }
        let diff_ids: Vec<String> = layer_tars
            .iter()
            .map(|tar| format!("sha256:{}", sha256(tar)))
            .collect();
        assert_eq!(
            config["rootfs"]["diff_ids"],
            serde_json::json!(diff_ids),
            "diff_ids are those of the layers"
        );
        // The history as a whole may be left out.
        if let Some(history) = config["history"].as_array() {
            let entries = history.iter();
            let with_layer = entries.filter(|entry| entry["empty_layer"] != Value::Bool(true));
            assert_eq!(
                with_layer.count(),
                diff_ids.len(),
                "as many history entries with a layer as there are layers"
            );
        }
        let layers = layer_tars
            .iter()
            .map(|tar| entries(Cursor::new(tar)))
            .collect::<Vec<_>>();
        for layer in &layers {
            let paths: BTreeSet<&str> = layer.iter().map(|entry| entry.path.as_str()).collect();
            assert_eq!(paths.len(), layer.len(), "a layer names no path twice");
        }
        OciImage {
            manifest_digest: text(&descriptor["digest"]),
            config_digest: text(&manifest["config"]["digest"]),
            index,
            manifest,
            config,
            layer_tars,
            layers,
        }
    }

    /// The tree of all layers.
    pub(crate) fn tree(&self) -> BTreeMap<String, Entry> {
        flattened(&self.layers)
    }

    /// Whether these bytes are anywhere in the image: configuration, manifest or layers.
    pub(crate) fn contains(&self, needle: &str) -> bool {
        let needle = needle.as_bytes();
        let json = [
            self.config.to_string(),
            self.manifest.to_string(),
            self.index.to_string(),
        ];
        let mut all = json
            .iter()
            .map(String::as_bytes)
            .chain(self.layer_tars.iter().map(Vec::as_slice));
        all.any(|bytes| bytes.windows(needle.len()).any(|window| window == needle))
    }
}

fn decompressed(bytes: Vec<u8>, media_type: &str) -> Vec<u8> {
    if media_type.ends_with("gzip") {
        let mut tar = Vec::new();
        flate2::read::MultiGzDecoder::new(Cursor::new(bytes))
            .read_to_end(&mut tar)
            .expect("the layer is gzip");
        return tar;
    }
    assert!(media_type.ends_with(".tar"), "a layer of the type {media_type}");
    bytes
}

/// The sha256 in hex.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    hex(&sha2::Sha256::digest(bytes))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn drained(reader: &mut impl Read) -> (u64, String, Contents) {
    let mut hash = sha2::Sha256::new();
    let mut kept = Vec::new();
    let mut size = 0;
    let mut chunk = vec![0; 1 << 16];
    loop {
        let n = reader.read(&mut chunk).expect("an entry can be read");
        if n == 0 {
            break;
        }
        size += n as u64;
        hash.update(&chunk[..n]);
        if size <= SMALL {
            kept.extend_from_slice(&chunk[..n]);
        }
    }
    (
        size,
        hex(&hash.finalize()),
        Contents((size <= SMALL).then_some(kept)),
    )
}

fn plain(path: &str) -> String {
    let path = path
        .strip_prefix("./")
        .unwrap_or(path)
        .trim_start_matches('/')
        .trim_end_matches('/');
    if path == "." {
        String::new()
    } else {
        path.to_owned()
    }
}

fn text(bytes: Option<&[u8]>) -> String {
    String::from_utf8_lossy(bytes.unwrap_or_default()).into_owned()
}
