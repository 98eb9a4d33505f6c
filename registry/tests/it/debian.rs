//! Against Debian's `docker-registry` 2.8: plain HTTP, and TLS with a password.

use std::io::{Cursor, Read};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rbuild_oci::*;
use rbuild_registry::*;

use crate::fixture::*;

const PROGRAM: &str = "/usr/bin/docker-registry";

struct Registry {
    child: Child,
    port: u16,
    #[allow(dead_code, reason = "keeps the storage as long as the registry runs")]
    dir: tempfile::TempDir,
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn start(secure: bool) -> Option<Registry> {
    let programs: &[&str] = if secure {
        &[PROGRAM, "/usr/bin/htpasswd", OPENSSL]
    } else {
        &[PROGRAM]
    };
    if !available(programs) {
        return None;
    }
    // A port may be taken between finding and using it; then another is tried.
    for _ in 0..5 {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name).display().to_string();
        let port = std::net::TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let mut config = format!(
            "version: 0.1\nlog:\n  level: error\nstorage:\n  filesystem:\n    rootdirectory: {}\n\
             http:\n  addr: 127.0.0.1:{port}\n",
            at("storage")
        );
        if secure {
            certificates(dir.path());
            let output = Command::new("/usr/bin/htpasswd")
                .args(["-Bbn", "user", "p:a,s s"])
                .output()
                .unwrap();
            assert!(output.status.success());
            std::fs::write(at("htpasswd"), output.stdout).unwrap();
            config.push_str(&format!(
                "  tls:\n    certificate: {}\n    key: {}\nauth:\n  htpasswd:\n    realm: test\n    path: {}\n",
                at("server.crt"),
                at("server.key"),
                at("htpasswd")
            ));
        }
        std::fs::write(at("config.yml"), config).unwrap();
        let log = std::fs::File::create(at("log")).unwrap();
        let mut child = Command::new(PROGRAM)
            .args(["serve", &at("config.yml")])
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let deadline = Instant::now() + Duration::from_secs(30);
        while child.try_wait().unwrap().is_none() && Instant::now() < deadline {
            if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                return Some(Registry { child, port, dir });
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let _ = child.kill();
        let _ = child.wait();
        println!("{}", std::fs::read_to_string(at("log")).unwrap_or_default());
    }
    panic!("docker-registry does not start");
}

fn to(registry: &Registry, rest: &str) -> Reference {
    Reference::parse(&format!("localhost:{}/{rest}", registry.port)).unwrap()
}

fn open(blob: &[u8]) -> impl Fn(u64) -> std::io::Result<Box<dyn Read>> + use<> {
    let blob = blob.to_vec();
    move |offset| Ok(Box::new(Cursor::new(blob[offset as usize..].to_vec())))
}

fn push_image(client: &Client, to: &Reference, image: &Image) -> Vec<Pushed> {
    let blobs = [
        (&image.config, media_type::OCI_CONFIG),
        (&image.layer, media_type::OCI_LAYER_GZIP),
    ];
    let pushed = blobs
        .iter()
        .map(|(blob, kind)| {
            client
                .push_blob(to, &describe(kind, blob), &open(blob), None, &|_| {})
                .unwrap()
        })
        .collect();
    let digest = client
        .push_manifest(to, media_type::OCI_MANIFEST, &image.manifest)
        .unwrap();
    assert_eq!(digest, image.descriptor.digest);
    pushed
}

#[test]
fn round_trip_in_plain_http() {
    let Some(registry) = start(false) else { return };
    let setup = setup();
    let client = setup.client();
    let (amd, arm) = (image("amd64"), image("arm64"));
    let reference = to(&registry, "team/app:1");
    client
        .ping(&format!("localhost:{}", registry.port), None)
        .unwrap();

    assert_eq!(client.exists(&reference).unwrap(), None);
    assert_eq!(
        push_image(&client, &reference, &amd),
        [Pushed::Uploaded, Pushed::Uploaded]
    );
    assert_eq!(
        push_image(&client, &reference, &amd),
        [Pushed::Existing, Pushed::Existing]
    );
    push_image(&client, &to(&registry, "team/app:arm"), &arm);
    let entry = |descriptor: &Descriptor, arch: &str| {
        json(
            descriptor,
            &format!(r#","platform":{{"os":"linux","architecture":"{arch}"}}"#),
        )
    };
    let (bytes, descriptor) = index(&[entry(&arm.descriptor, "arm64"), entry(&amd.descriptor, "amd64")]);
    let multi = to(&registry, "team/app:multi");
    client
        .push_manifest(&multi, media_type::OCI_INDEX, &bytes)
        .unwrap();

    assert_eq!(client.exists(&multi).unwrap(), Some(descriptor.clone()));
    assert_eq!(client.tags(&reference).unwrap(), ["1", "arm", "multi"]);
    let resolved = client.resolve(&multi, &linux()).unwrap();
    assert_eq!(
        (&resolved.descriptor, resolved.top_digest()),
        (&amd.descriptor, descriptor.digest)
    );
    assert_eq!(
        client.fetch_config(&multi, &resolved.image.config).unwrap(),
        amd.config
    );
    let mut layer = Vec::new();
    client
        .fetch_blob(&multi, &resolved.image.layers[0], &mut layer, &|_| {})
        .unwrap();
    assert_eq!(layer, amd.layer);
    let pinned = to(&registry, "team/app").with_digest(arm.descriptor.digest);
    assert_eq!(
        client.resolve(&pinned, &linux()).unwrap().descriptor,
        arm.descriptor
    );
    assert_eq!(setup.retries(), 0);

    let missing = client
        .resolve(&to(&registry, "team/none:1"), &linux())
        .unwrap_err();
    assert!(missing.to_string().contains("MANIFEST_UNKNOWN"), "{missing}");
}

#[test]
fn large_blobs_whole_in_chunks_and_mounted() {
    let Some(registry) = start(false) else { return };
    let blob = noise(24 << 20);
    let descriptor = describe(media_type::OCI_LAYER_GZIP, &blob);
    let setup = setup();
    let client = setup.client();
    let mut last = std::cell::Cell::new(0);
    let whole = to(&registry, "whole");
    let pushed = client
        .push_blob(&whole, &descriptor, &open(&blob), None, &|n| last.set(n))
        .unwrap();
    assert_eq!((pushed, *last.get_mut()), (Pushed::Uploaded, 24 << 20));

    let mut options = setup.options.clone();
    options.upload = UploadMode::Chunked(5 << 20);
    let chunks = to(&registry, "chunks");
    let pushed = Client::new(options)
        .push_blob(&chunks, &descriptor, &open(&blob), None, &|_| {})
        .unwrap();
    assert_eq!(pushed, Pushed::Uploaded);

    let mounted = to(&registry, "mounted");
    let pushed = client
        .push_blob(&mounted, &descriptor, &open(&blob), Some("whole"), &|_| {})
        .unwrap();
    assert_eq!(pushed, Pushed::Mounted);
    for from in [&whole, &chunks, &mounted] {
        let mut bytes = Vec::new();
        client.fetch_blob(from, &descriptor, &mut bytes, &|_| {}).unwrap();
        assert!(bytes == blob);
    }
    let wrong = Descriptor {
        digest: Digest::of(b"other"),
        ..descriptor
    };
    let error = client
        .push_blob(&whole, &wrong, &open(&blob), None, &|_| {})
        .unwrap_err();
    assert!(error.to_string().contains("DIGEST_INVALID"), "{error}");
}

#[test]
fn tls_with_a_password() {
    let Some(registry) = start(true) else { return };
    let host = format!("localhost:{}", registry.port);
    let home = tempfile::tempdir().unwrap();
    let mut setup = setup();
    setup.options.extra_ca = vec![registry.dir.path().join("ca.crt")];

    let anonymous = setup.client();
    let error = anonymous.resolve(&to(&registry, "app:1"), &linux()).unwrap_err();
    assert_eq!(error.status(), Some(401), "{error}");
    assert_eq!(error.attempt.host, host);
    let good = password("user", "p:a,s s");
    assert_eq!(
        anonymous
            .ping(&host, Some(&password("user", "wrong")))
            .unwrap_err()
            .status(),
        Some(401)
    );
    anonymous.ping(&host, Some(&good)).unwrap();

    let setup = setup.login(home.path(), &host, &good);
    let client = setup.client();
    let image = image("secure");
    let reference = to(&registry, "app:1");
    push_image(&client, &reference, &image);
    let resolved = client.resolve(&reference, &linux()).unwrap();
    assert_eq!(resolved.descriptor, image.descriptor);
    let plain = setup
        .events
        .lock()
        .unwrap()
        .iter()
        .any(|e| matches!(e, Event::PlainHttp { .. }));
    assert!(!plain, "TLS was used");

    let stranger = Client::new(ClientOptions {
        insecure: HostSet::All,
        ..Default::default()
    });
    let error = stranger.resolve(&reference, &linux()).unwrap_err();
    let unknown = matches!(
        error.kind,
        ErrorKind::Transport {
            kind: TransportKind::UnknownAuthority,
            ..
        }
    );
    assert!(unknown, "{error:?}");
}
