//! Clients, clocks, images and certificates for the tests.

use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rbuild_oci::*;
use rbuild_registry::*;

use crate::fake::{Asked, Fake, Reply};

/// A clock that stands still, does not sleep, and remembers how long it should have.
pub(crate) struct TestClock {
    now: Mutex<SystemTime>,
    slept: Mutex<Vec<Duration>>,
}

impl TestClock {
    pub(crate) fn new() -> Arc<Self> {
        let now = UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        Arc::new(Self {
            now: Mutex::new(now),
            slept: Mutex::default(),
        })
    }

    pub(crate) fn advance(&self, by: Duration) {
        *self.now.lock().unwrap() += by;
    }

    pub(crate) fn slept(&self) -> Vec<u128> {
        self.slept
            .lock()
            .unwrap()
            .iter()
            .map(Duration::as_millis)
            .collect()
    }
}

impl Clock for TestClock {
    fn now(&self) -> SystemTime {
        *self.now.lock().unwrap()
    }

    fn sleep(&self, duration: Duration, _: &dyn Fn() -> bool) {
        self.slept.lock().unwrap().push(duration);
        self.advance(duration);
    }

    fn jitter(&self) -> f64 {
        1.0
    }
}

pub(crate) struct Setup {
    pub(crate) clock: Arc<TestClock>,
    pub(crate) events: Arc<Mutex<Vec<Event>>>,
    pub(crate) options: ClientOptions,
}

pub(crate) fn setup() -> Setup {
    let clock = TestClock::new();
    let events = Arc::new(Mutex::new(Vec::new()));
    let sink = events.clone();
    let options = ClientOptions {
        clock: clock.clone(),
        events: Arc::new(move |event| sink.lock().unwrap().push(event)),
        timeouts: Timeouts {
            connect: Duration::from_secs(20),
            silence: Duration::from_secs(20),
            answer: Duration::from_secs(20),
        },
        ..Default::default()
    };
    Setup {
        clock,
        events,
        options,
    }
}

impl Setup {
    pub(crate) fn client(&self) -> Client {
        Client::new(self.options.clone())
    }

    /// With credentials for one host, in a file of the test's own.
    pub(crate) fn login(mut self, home: &Path, host: &str, credential: &Credential) -> Self {
        let env = Env {
            home: Some(home.to_owned()),
            ..Default::default()
        };
        self.options.credentials = Credentials::new(env);
        self.options.credentials.save(host, credential).unwrap();
        self
    }

    pub(crate) fn retries(&self) -> usize {
        self.events
            .lock()
            .unwrap()
            .iter()
            .filter(|e| matches!(e, Event::Retry { .. }))
            .count()
    }
}

pub(crate) fn password(user: &str, password: &str) -> Credential {
    Credential::Basic {
        username: user.to_owned(),
        password: Secret::new(password),
    }
}

pub(crate) fn reference(fake: &Fake, rest: &str) -> Reference {
    Reference::parse(&format!("{}/{rest}", fake.host())).unwrap()
}

pub(crate) fn linux() -> ImagePlatform {
    "linux/amd64".parse().unwrap()
}

pub(crate) fn json(descriptor: &Descriptor, extra: &str) -> String {
    let Descriptor {
        media_type,
        digest,
        size,
        ..
    } = descriptor;
    format!(r#"{{"mediaType":"{media_type}","digest":"{digest}","size":{size}{extra}}}"#)
}

pub(crate) fn describe(media_type: &str, bytes: &[u8]) -> Descriptor {
    Descriptor::new(media_type, Digest::of(bytes), bytes.len() as u64)
}

/// Bytes that no two parts of are alike.
pub(crate) fn noise(len: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    (0..len)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 24) as u8
        })
        .collect()
}

/// A manifest with one layer, and what it names.
pub(crate) struct Image {
    pub(crate) config: Vec<u8>,
    pub(crate) layer: Vec<u8>,
    pub(crate) manifest: Vec<u8>,
    pub(crate) descriptor: Descriptor,
}

pub(crate) fn image(seed: &str) -> Image {
    let config = format!(r#"{{"os":"linux","architecture":"amd64","seed":"{seed}"}}"#).into_bytes();
    let layer = format!("layer of {seed}").into_bytes();
    let manifest = format!(
        r#"{{"schemaVersion":2,"mediaType":"{}","config":{},"layers":[{}]}}"#,
        media_type::OCI_MANIFEST,
        json(&describe(media_type::OCI_CONFIG, &config), ""),
        json(&describe(media_type::OCI_LAYER_GZIP, &layer), ""),
    )
    .into_bytes();
    let descriptor = describe(media_type::OCI_MANIFEST, &manifest);
    Image {
        config,
        layer,
        manifest,
        descriptor,
    }
}

pub(crate) fn index(entries: &[String]) -> (Vec<u8>, Descriptor) {
    let entries = entries.join(",");
    let bytes = format!(
        r#"{{"schemaVersion":2,"mediaType":"{}","manifests":[{entries}]}}"#,
        media_type::OCI_INDEX
    )
    .into_bytes();
    let descriptor = describe(media_type::OCI_INDEX, &bytes);
    (bytes, descriptor)
}

/// Serves these documents under their digests, the first also under the tag `1`.
pub(crate) fn serve(documents: Vec<(Vec<u8>, Descriptor)>) -> impl Fn(&Asked) -> Reply + Send + Sync {
    move |asked| {
        let name = asked.path().rsplit('/').next().unwrap();
        let found = documents
            .iter()
            .enumerate()
            .find(|(n, (_, descriptor))| descriptor.digest.to_string() == name || (*n == 0 && name == "1"));
        match found {
            None => Reply::new(404)
                .body(r#"{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}"#),
            Some((_, (bytes, descriptor))) => Reply::new(200)
                .header("Content-Type", &descriptor.media_type)
                .header("Docker-Content-Digest", descriptor.digest.to_string())
                .body(bytes.clone()),
        }
    }
}

/// Where a program is missing the test fails, unless the caller knows: RBUILD_TEST_SKIP_HOST=1.
pub(crate) fn available(programs: &[&str]) -> bool {
    for program in programs {
        if !Path::new(program).exists() {
            let reason =
                format!("{program} is not installed (packages docker-registry, apache2-utils, openssl)");
            if std::env::var_os("RBUILD_TEST_SKIP_HOST").is_some_and(|v| v == "1") {
                println!("skipped: {reason}");
                return false;
            }
            panic!("{reason}; RBUILD_TEST_SKIP_HOST=1 skips this test");
        }
    }
    true
}

pub(crate) const OPENSSL: &str = "/usr/bin/openssl";

/// Makes `ca.crt` and, signed by it, `server.crt` with `server.key` for localhost and 127.0.0.1 in `dir`.
pub(crate) fn certificates(dir: &Path) {
    std::fs::write(
        dir.join("leaf.cnf"),
        "subjectAltName=DNS:localhost,IP:127.0.0.1\nbasicConstraints=CA:FALSE\n",
    )
    .unwrap();
    for args in [
        "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout ca.key -out ca.crt -days 2 \
         -subj /CN=test-ca -addext basicConstraints=critical,CA:TRUE",
        "req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout server.key -out server.csr -subj /CN=localhost",
        "x509 -req -in server.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 2 -extfile leaf.cnf -out server.crt",
    ] {
        let output = Command::new(OPENSSL)
            .args(args.split_whitespace())
            .current_dir(dir)
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "openssl {args}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
}
