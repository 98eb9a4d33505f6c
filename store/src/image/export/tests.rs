use std::io::{Read, Seek};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

use rbuild_oci::{ContainerConfig, History, RootFs};

use super::*;
use crate::filesystem::Need;
use crate::image::LayerSource;
use crate::image::source::{self, choose, ingest};
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

/// The tar of a layer with one directory, one file and one link.
fn layer(name: &str, size: usize) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_ustar();
    header.set_mtime(1_000_000_000);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mode(0o755);
    header.set_entry_type(tar::EntryType::Directory);
    header.set_size(0);
    builder
        .append_data(&mut header.clone(), format!("{name}/"), &[][..])
        .unwrap();
    header.set_entry_type(tar::EntryType::Regular);
    header.set_size(size as u64);
    builder
        .append_data(&mut header.clone(), format!("{name}/file"), &vec![b'x'; size][..])
        .unwrap();
    header.set_entry_type(tar::EntryType::Symlink);
    header.set_size(0);
    builder
        .append_link(&mut header, format!("{name}/link"), "file")
        .unwrap();
    builder.into_inner().unwrap()
}

fn diff_id(tar: &[u8]) -> DiffId {
    DiffId::from_bytes(*Digest::of(tar).as_bytes())
}

fn config(layers: &[Vec<u8>]) -> Vec<u8> {
    ImageConfig {
        os: "linux".into(),
        architecture: "amd64".into(),
        created: Some("1970-01-01T00:00:00Z".into()),
        config: ContainerConfig {
            cmd: Some(vec!["/bin/true".into()]),
            env: vec!["PATH=/bin".into()],
            ..ContainerConfig::default()
        },
        rootfs: RootFs {
            diff_ids: layers.iter().map(|tar| diff_id(tar)).collect(),
            ..RootFs::default()
        },
        history: layers
            .iter()
            .map(|_| History {
                created_by: Some("COPY".into()),
                ..History::default()
            })
            .collect(),
        ..ImageConfig::default()
    }
    .to_bytes()
    .unwrap()
}

type Program<'a> = Box<dyn Fn(&mut dyn Write) -> io::Result<()> + Sync + 'a>;

/// Calls `with` with an image of these layers, each made by a program.
fn with_image<T>(
    layers: &[Vec<u8>],
    names: &[&str],
    with: impl FnOnce(ExportImage<'_>, &AtomicUsize) -> T,
) -> T {
    let runs = AtomicUsize::new(0);
    let programs: Vec<Program<'_>> = layers
        .iter()
        .map(|tar| {
            let runs = &runs;
            Box::new(move |out: &mut dyn Write| {
                runs.fetch_add(1, Ordering::Relaxed);
                // In pieces of odd size: the result must not depend on them.
                tar.chunks(777).try_for_each(|chunk| out.write_all(chunk))
            }) as Program<'_>
        })
        .collect();
    let config = config(layers);
    let image = ExportImage {
        config: &config,
        layers: layers
            .iter()
            .zip(&programs)
            .map(|(tar, write)| ExportLayer {
                diff_id: diff_id(tar),
                data: LayerData::Tar {
                    size: tar.len() as u64,
                    write: &**write,
                },
            })
            .collect(),
        names: names.iter().map(|&name| name.to_owned()).collect(),
        annotations: Annotations::default(),
        original: None,
    };
    with(image, &runs)
}

impl Bench {
    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn oci_archive(&self, image: &ExportImage<'_>, options: &ExportOptions) -> Vec<u8> {
        let pin = self.store.locks().pin_blobs().unwrap();
        let mut out = Vec::new();
        write_oci_archive(
            &self.store,
            std::slice::from_ref(image),
            options,
            "memory",
            &mut out,
            &pin,
        )
        .unwrap();
        out
    }

    fn docker_archive(&self, image: &ExportImage<'_>) -> Vec<u8> {
        let pin = self.store.locks().pin_blobs().unwrap();
        let mut out = Vec::new();
        let plain = ExportOptions {
            compression: Compression::None,
            ..ExportOptions::default()
        };
        write_docker_archive(
            &self.store,
            std::slice::from_ref(image),
            &plain,
            "memory",
            &mut out,
            &pin,
        )
        .unwrap();
        out
    }

    fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        std::fs::write(self.path(name), bytes).unwrap();
        self.path(name)
    }
}

fn layers() -> Vec<Vec<u8>> {
    vec![layer("one", 300_000), layer("two", 10), layer("one", 300_000)]
}

#[test]
fn the_same_image_is_the_same_bytes_and_is_compressed_once() {
    let (one, two) = (bench(), bench());
    with_image(&layers(), &["docker.io/library/app:latest"], |image, runs| {
        let first = one.oci_archive(&image, &ExportOptions::default());
        assert_eq!(runs.load(Ordering::Relaxed), 2, "equal layers are made once");
        assert_eq!(one.oci_archive(&image, &ExportOptions::default()), first);
        assert_eq!(runs.load(Ordering::Relaxed), 2, "and never again");
        assert_eq!(
            two.oci_archive(&image, &ExportOptions::default()),
            first,
            "whatever store made it"
        );
        assert_eq!(one.docker_archive(&image), two.docker_archive(&image));
    });
}

#[test]
fn what_was_written_is_read_back() {
    let bench = bench();
    let layers = layers();
    let other = self::bench();
    with_image(
        &layers,
        &["docker.io/library/app:1", "localhost:5000/b:2"],
        |image, _| {
            let plain = ExportOptions {
                compression: Compression::None,
                ..ExportOptions::default()
            };
            let docker = ExportOptions {
                media_types: MediaTypes::Docker,
                ..ExportOptions::default()
            };
            let files = [
                bench.file("gzip.tar", &bench.oci_archive(&image, &ExportOptions::default())),
                bench.file("plain.tar", &bench.oci_archive(&image, &plain)),
                bench.file("types.tar", &bench.oci_archive(&image, &docker)),
                bench.file("docker.tar", &bench.docker_archive(&image)),
            ];
            for path in files {
                let source = source::open(&other.store, &path).unwrap();
                assert_eq!(source.entries().len(), 1, "{}", path.display());
                assert_eq!(
                    source.entries()[0].names,
                    ["docker.io/library/app:1", "localhost:5000/b:2"]
                );
                let machine = ImagePlatform::new("linux", "amd64", None);
                let at = choose(&*source, Some("1"), &machine).unwrap();
                let found = source.image(at).unwrap();
                assert_eq!(found.config, image.config);
                let pin = other.store.locks().pin_blobs().unwrap();
                let ingested = ingest(&other.store, &*source, &found, &pin).unwrap();
                for (loaded, tar) in ingested.layers.iter().zip(&layers) {
                    let LayerSource::Blob(descriptor) = &loaded.source else {
                        panic!()
                    };
                    let mut plain = Vec::new();
                    compress::copy_uncompressed(&other.store, &descriptor.digest, &mut plain).unwrap();
                    assert_eq!(plain, *tar);
                }
                // Out again as blobs: what did not change keeps its digest.
                let descriptors: Vec<Descriptor> = ingested
                    .layers
                    .iter()
                    .map(|loaded| match &loaded.source {
                        LayerSource::Blob(descriptor) => (**descriptor).clone(),
                        LayerSource::Snapshot { .. } => panic!(),
                    })
                    .collect();
                let again = ExportImage {
                    layers: ingested
                        .layers
                        .iter()
                        .zip(&descriptors)
                        .map(|(layer, blob)| ExportLayer {
                            diff_id: layer.diff_id,
                            data: LayerData::Blob(blob),
                        })
                        .collect(),
                    original: ingested.manifest.clone(),
                    ..image.clone()
                };
                let prepared = prepare(&other.store, &again, &ExportOptions::default(), &pin).unwrap();
                if let Some(manifest) = &ingested.manifest {
                    assert_eq!(prepared.manifest.digest, manifest.digest, "{}", path.display());
                }
                assert_eq!(
                    other.docker_archive(&again),
                    bench.docker_archive(&image),
                    "{}",
                    path.display()
                );
            }
        },
    );
}

#[test]
fn a_layer_that_is_not_what_it_is_called() {
    let bench = bench();
    let good = layers();
    with_image(&good, &[], |image, _| {
        let pin = bench.store.locks().pin_blobs().unwrap();
        let lies: [(&str, TarProgram<'_>); 3] = [
            ("has digest", &|out: &mut dyn Write| {
                out.write_all(&layer("two", 11))
            }),
            ("has digest", &|_: &mut dyn Write| Ok(())),
            ("cannot make layer", &|_: &mut dyn Write| {
                Err(io::Error::other("disk on fire"))
            }),
        ];
        for (expected, lie) in lies {
            let mut image = image.clone();
            image.layers[1].data = LayerData::Tar {
                size: good[1].len() as u64,
                write: lie,
            };
            let text = prepare(&bench.store, &image, &ExportOptions::default(), &pin)
                .unwrap_err()
                .to_string();
            assert!(text.contains(expected), "{text}");
            let mut out = Vec::new();
            let plain = ExportOptions {
                compression: Compression::None,
                ..ExportOptions::default()
            };
            write_docker_archive(&bench.store, &[image], &plain, "memory", &mut out, &pin).unwrap_err();
        }
        let mut missing = image.clone();
        missing.layers.pop();
        assert!(matches!(
            prepare(&bench.store, &missing, &ExportOptions::default(), &pin),
            Err(ImageError::Document(DocumentError::LayerCount { .. }))
        ));
        let mut swapped = image.clone();
        swapped.layers.swap(0, 1);
        let text = prepare(&bench.store, &swapped, &ExportOptions::default(), &pin)
            .unwrap_err()
            .to_string();
        assert!(text.contains("lists layer"), "{text}");
    });
    assert!(list_dir(&bench.path("store/compressed")).unwrap().len() <= 1);
}

#[test]
fn a_corrupt_blob_does_not_get_out() {
    let bench = bench();
    with_image(&layers(), &["app:latest"], |image, _| {
        let pin = bench.store.locks().pin_blobs().unwrap();
        let prepared = prepare(&bench.store, &image, &ExportOptions::default(), &pin).unwrap();
        let path = bench.store.blobs().path(&prepared.layers[0].digest);
        let mut bytes = std::fs::read(&path).unwrap();
        let last = bytes.len() - 1;
        bytes[last] ^= 1;
        std::fs::write(&path, bytes).unwrap();
        let mut out = Vec::new();
        let error = write_oci_archive(
            &bench.store,
            std::slice::from_ref(&image),
            &ExportOptions::default(),
            "x",
            &mut out,
            &pin,
        );
        assert!(error.unwrap_err().to_string().contains("has digest"));
        let dir = bench.path("layout");
        write_oci_dir(&bench.store, &[image], &ExportOptions::default(), &dir, &pin).unwrap_err();
        assert!(!dir.join("index.json").exists());
        assert!(
            !dir.join("blobs/sha256")
                .join(prepared.layers[0].digest.to_hex())
                .exists()
        );
    });
}

#[test]
fn a_layout_directory_takes_several_images() {
    let bench = bench();
    let dir = bench.path("layout");
    let pin = bench.store.locks().pin_blobs().unwrap();
    let put = |layers: &[Vec<u8>], names: &[&str]| {
        with_image(layers, names, |image, _| {
            write_oci_dir(&bench.store, &[image], &ExportOptions::default(), &dir, &pin)
                .unwrap()
                .images
                .remove(0)
        })
    };
    let names = || {
        let source = source::open(&bench.store, &dir).unwrap();
        let mut all: Vec<_> = source
            .entries()
            .iter()
            .flat_map(|entry| {
                entry
                    .names
                    .iter()
                    .map(|name| (name.clone(), entry.digest.unwrap()))
            })
            .collect();
        all.sort();
        all
    };
    let one = put(&[layer("one", 5)], &["a:1", "a:2"]);
    let two = put(&[layer("two", 5)], &["b:3"]);
    let (first, second) = (one.manifest.digest, two.manifest.digest);
    assert_eq!(
        names(),
        [
            ("a:1".into(), first),
            ("a:2".into(), first),
            ("b:3".into(), second)
        ]
    );
    let three = put(&[layer("three", 5)], &["a:1"]).manifest.digest;
    assert_eq!(
        names(),
        [
            ("a:1".into(), three),
            ("a:2".into(), first),
            ("b:3".into(), second)
        ]
    );
    let before = std::fs::read(dir.join("index.json")).unwrap();
    put(&[layer("three", 5)], &["a:1"]);
    assert_eq!(names().len(), 3);
    assert_eq!(std::fs::read(dir.join("index.json")).unwrap().len(), before.len());

    let busy = bench.path("home");
    std::fs::create_dir(&busy).unwrap();
    std::fs::write(busy.join("thesis.tex"), "x").unwrap();
    with_image(&[layer("one", 5)], &[], |image, _| {
        let error =
            write_oci_dir(&bench.store, &[image], &ExportOptions::default(), &busy, &pin).unwrap_err();
        assert!(
            error.to_string().contains("a directory with other things"),
            "{error}"
        );
    });
    assert_eq!(list_dir(&busy).unwrap(), ["thesis.tex"]);
}

/// What is written says the same to others who read by the specification.
#[test]
fn the_types_of_the_specification_read_it() {
    use oci_spec::image::{Arch, ImageConfiguration, ImageIndex, ImageManifest, MediaType, OciLayout, Os};

    let bench = bench();
    let dir = bench.path("layout");
    let pin = bench.store.locks().pin_blobs().unwrap();
    let layers = layers();
    let written = with_image(&layers, &["a:1"], |image, _| {
        write_oci_dir(&bench.store, &[image], &ExportOptions::default(), &dir, &pin)
            .unwrap()
            .images
            .remove(0)
    });
    let blob = |digest: &oci_spec::image::Digest| dir.join("blobs/sha256").join(digest.digest());

    assert_eq!(
        OciLayout::from_file(dir.join("oci-layout"))
            .unwrap()
            .image_layout_version(),
        "1.0.0"
    );
    let index = ImageIndex::from_file(dir.join("index.json")).unwrap();
    let [listed] = index.manifests().as_slice() else {
        panic!("{index:?}")
    };
    assert_eq!(listed.media_type(), &MediaType::ImageManifest);
    assert_eq!(listed.digest().to_string(), written.manifest.digest.to_string());
    let platform = listed.platform().as_ref().unwrap();
    assert_eq!(
        (platform.os(), platform.architecture()),
        (&Os::Linux, &Arch::Amd64)
    );
    let manifest = ImageManifest::from_file(blob(listed.digest())).unwrap();
    assert_eq!(manifest.config().media_type(), &MediaType::ImageConfig);
    for layer in manifest.layers() {
        assert_eq!(layer.media_type(), &MediaType::ImageLayerGzip);
        assert_eq!(
            std::fs::metadata(blob(layer.digest())).unwrap().len(),
            layer.size()
        );
    }
    let config = ImageConfiguration::from_file(blob(manifest.config().digest())).unwrap();
    let expected: Vec<String> = layers.iter().map(|tar| diff_id(tar).to_string()).collect();
    assert_eq!(config.rootfs().diff_ids(), &expected);
    assert_eq!(manifest.layers().len(), expected.len());
    let container = config.config().as_ref().unwrap();
    assert_eq!(container.cmd().as_deref(), Some(&["/bin/true".to_owned()][..]));
}

#[test]
fn images_without_layers_or_names() {
    let bench = bench();
    with_image(&[], &[], |image, _| {
        let path = bench.file("empty.tar", &bench.oci_archive(&image, &ExportOptions::default()));
        let source = source::open(&bench.store, &path).unwrap();
        assert_eq!(source.image(0).unwrap().layers, []);
        let path = bench.file("empty-docker.tar", &bench.docker_archive(&image));
        assert_eq!(
            source::open(&bench.store, &path)
                .unwrap()
                .image(0)
                .unwrap()
                .layers,
            []
        );
    });
}

/// Runs a program of the host that must accept what we wrote; its absence is a failure unless skipping is allowed.
fn host(program: &str, arguments: &[&str]) -> Option<String> {
    // Into files, not pipes: rootless podman leaves a process behind that would hold a pipe open.
    let (mut out, mut err) = (tempfile::tempfile().unwrap(), tempfile::tempfile().unwrap());
    let mut command = Command::new(program);
    command
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(out.try_clone().unwrap())
        .stderr(err.try_clone().unwrap());
    let text = |file: &mut std::fs::File| {
        let mut text = String::new();
        file.rewind().unwrap();
        file.read_to_string(&mut text).unwrap();
        text
    };
    match command.status() {
        Ok(status) => {
            assert!(status.success(), "{program} {arguments:?}: {}", text(&mut err));
            Some(text(&mut out))
        }
        Err(_) if std::env::var_os("RBUILD_TEST_SKIP_HOST").is_some() => {
            println!("skipped: {program} is not installed");
            None
        }
        Err(error) => panic!("{program}: {error} (RBUILD_TEST_SKIP_HOST=1 skips)"),
    }
}

fn at(prefix: &str, path: &Path, suffix: &str) -> String {
    format!("{prefix}{}{suffix}", path.display())
}

#[test]
fn skopeo_takes_every_form() {
    let bench = bench();
    let pin = bench.store.locks().pin_blobs().unwrap();
    with_image(&layers(), &["docker.io/library/app:1.0"], |image, _| {
        let dir = bench.path("layout");
        let options = ExportOptions::default();
        let prepared =
            write_oci_dir(&bench.store, std::slice::from_ref(&image), &options, &dir, &pin).unwrap();
        let digest = prepared.images[0].manifest.digest.to_string();
        let archive = bench.file("oci.tar", &bench.oci_archive(&image, &options));
        let docker = bench.file("docker.tar", &bench.docker_archive(&image));
        for reference in [at("oci:", &dir, ":1.0"), at("oci-archive:", &archive, ":1.0")] {
            let Some(text) = host("skopeo", &["inspect", &reference]) else {
                return;
            };
            let inspected: serde_json::Value = serde_json::from_str(&text).unwrap();
            assert_eq!(inspected["Digest"], digest, "{reference}");
            assert_eq!(inspected["Layers"].as_array().unwrap().len(), 3);
            assert_eq!(inspected["Env"][0], "PATH=/bin");
        }
        // `docker-archive` of the OCI archive too: what `docker load` would read.
        for (number, source) in [
            at("docker-archive:", &docker, ":app:1.0"),
            at("docker-archive:", &archive, ":app:1.0"),
        ]
        .iter()
        .enumerate()
        {
            let to = bench.path(&format!("copied{number}"));
            host(
                "skopeo",
                &["copy", "-q", "--insecure-policy", source, &at("oci:", &to, ":x")],
            );
            let copied = source::open(&bench.store, &to).unwrap();
            // skopeo writes the config anew, with its own order of fields.
            let config = copied.image(0).unwrap().parse_config().unwrap();
            assert_eq!(config, ImageConfig::parse(image.config).unwrap(), "{source}");
        }
        // And what skopeo writes is read: its own archives of the same image.
        for (number, to) in ["oci-archive:", "docker-archive:"].iter().enumerate() {
            let path = bench.path(&format!("foreign{number}.tar"));
            let suffix = if number == 0 { ":1.0" } else { ":localhost/app:1.0" };
            host(
                "skopeo",
                &[
                    "copy",
                    "-q",
                    "--insecure-policy",
                    &at("oci:", &dir, ":1.0"),
                    &at(to, &path, suffix),
                ],
            );
            let source = source::open(&bench.store, &path).unwrap();
            let machine = ImagePlatform::new("linux", "amd64", None);
            let found = source
                .image(choose(&*source, Some("1.0"), &machine).unwrap())
                .unwrap();
            let config = found.parse_config().unwrap();
            assert_eq!(config.rootfs, ImageConfig::parse(image.config).unwrap().rootfs);
            let other = self::bench();
            let other_pin = other.store.locks().pin_blobs().unwrap();
            let ingested = ingest(&other.store, &*source, &found, &other_pin).unwrap();
            assert_eq!(ingested.layers.len(), 3, "{to}");
        }
        let docker_types = ExportOptions {
            media_types: MediaTypes::Docker,
            ..options
        };
        let prepared = prepare(&bench.store, &image, &docker_types, &pin).unwrap();
        assert_eq!(prepared.manifest.media_type, media_type::DOCKER_MANIFEST);
    });
}

#[test]
fn umoci_unpacks_and_podman_loads() {
    let bench = bench();
    let pin = bench.store.locks().pin_blobs().unwrap();
    with_image(&layers(), &["docker.io/library/app:1.0"], |image, _| {
        let dir = bench.path("layout");
        let options = ExportOptions::default();
        write_oci_dir(&bench.store, std::slice::from_ref(&image), &options, &dir, &pin).unwrap();
        let bundle = bench.path("bundle");
        let bundle_text = bundle.display().to_string();
        let rootless = !rustix::process::geteuid().is_root();
        let mut arguments = vec!["unpack"];
        arguments.extend(rootless.then_some("--rootless"));
        let reference = at("", &dir, ":1.0");
        arguments.extend(["--image", &reference, &bundle_text]);
        if host("umoci", &arguments).is_some() {
            assert_eq!(
                std::fs::read(bundle.join("rootfs/two/file")).unwrap(),
                b"xxxxxxxxxx"
            );
        }
        let id = Digest::of(image.config).to_hex();
        for (name, bytes) in [
            ("oci.tar", bench.oci_archive(&image, &options)),
            ("docker.tar", bench.docker_archive(&image)),
        ] {
            let path = bench.file(name, &bytes).display().to_string();
            let root = bench.path(&format!("podman-{name}")).display().to_string();
            let runroot = bench.path("runroot").display().to_string();
            let global = ["--root", &root, "--runroot", &runroot, "--storage-driver", "vfs"];
            let load = [&global[..], &["load", "-q", "-i", &path]].concat();
            if host("podman", &load).is_some() {
                let list = [&global[..], &["images", "-q", "--no-trunc"]].concat();
                let images = host("podman", &list).unwrap_or_default();
                if rootless {
                    // Ends the process that rootless podman keeps for the next call.
                    let _ = host("podman", &[&global[..], &["system", "migrate"]].concat());
                }
                assert!(images.contains(&id), "{name}: {images} is not {id}");
            }
        }
    });
}
