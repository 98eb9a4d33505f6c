//! A real registry on loopback (Debian's docker-registry), plain or with TLS and a password.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::env::TestEnv;
use super::invocation::Running;

pub(crate) const USER: &str = "tester";
pub(crate) const PASSWORD: &str = "correct horse";

/// A registry that runs until it is dropped. Its data, certificate and log lie in the test's scratch directory.
pub(crate) struct Registry {
    running: Running,
    port: u16,
    dir: PathBuf,
    tls: bool,
    /// How much of the log was read already, and how many marks are in it.
    read: (usize, usize),
}

impl Registry {
    /// Programs that the tests with a registry need; give them to `skip::unless_installed`.
    pub(crate) const NEEDS: &[&str] = &["docker-registry", "curl"];
    /// The same for [`Registry::tls`].
    pub(crate) const NEEDS_TLS: &[&str] = &["docker-registry", "curl", "openssl", "htpasswd"];

    /// Plain HTTP, no password.
    #[track_caller]
    pub(crate) fn plain(env: &TestEnv) -> Registry {
        Registry::start(env, false)
    }

    /// HTTPS with a certificate of its own authority, [`Registry::ca`], and basic authentication as [`USER`] with
    /// [`PASSWORD`].
    #[track_caller]
    pub(crate) fn tls(env: &TestEnv) -> Registry {
        Registry::start(env, true)
    }

    #[track_caller]
    fn start(env: &TestEnv, tls: bool) -> Registry {
        let dir = env.path(if tls { "registry-tls" } else { "registry" });
        std::fs::create_dir_all(&dir).expect("a folder for the registry can be made");
        if tls {
            make_certificate(env, &dir);
            let hash = env
                .tool("htpasswd")
                .args(["-Bbn", USER, PASSWORD])
                .run()
                .success();
            std::fs::write(dir.join("htpasswd"), &hash.stdout).expect("the password file can be written");
        }
        // Between choosing a free port and listening on it another process may take it: then choose again.
        for _ in 0..10 {
            let port = free_port();
            std::fs::write(dir.join("config.yml"), config(&dir, port, tls))
                .expect("the configuration can be written");
            let mut running = env
                .tool("docker-registry")
                .arg("serve")
                .arg(dir.join("config.yml"))
                .patience(Duration::from_secs(900))
                .start();
            if answers(env, &mut running, port, tls) {
                return Registry {
                    running,
                    port,
                    dir,
                    tls,
                    read: (0, 0),
                };
            }
        }
        panic!("docker-registry does not start");
    }

    /// `127.0.0.1:PORT`, the first part of a reference.
    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// The authority's certificate as PEM.
    pub(crate) fn ca(&self) -> PathBuf {
        self.dir.join("ca.pem")
    }

    /// A folder as `--cert-dir` wants it: `ca.crt` is in it.
    pub(crate) fn cert_dir(&self) -> PathBuf {
        self.dir.join("certs")
    }

    /// Where the registry keeps its data, for tests that corrupt it.
    pub(crate) fn data(&self) -> PathBuf {
        self.dir.join("data")
    }

    /// An auth.json (docker's config.json) with the right password.
    #[track_caller]
    pub(crate) fn auth_file(&self) -> PathBuf {
        let path = self.dir.join("auth.json");
        let auth = base64(format!("{USER}:{PASSWORD}").as_bytes());
        let json = serde_json::json!({ "auths": { self.address(): { "auth": auth } } });
        std::fs::write(&path, json.to_string()).expect("auth.json can be written");
        path
    }

    /// What rbuild has asked since the last time, such as `GET /v2/app/manifests/1`, in the order of the answers.
    #[track_caller]
    pub(crate) fn requests(&mut self, env: &TestEnv) -> Vec<String> {
        // A line may be written after its answer. One of our own comes after all that were answered before.
        self.read.1 += 1;
        let mark = format!("mark-{}", self.read.1);
        self.get(env, &format!("?{mark}"));
        self.running.wait_for(&format!("?{mark} HTTP"));
        let log = self.running.seen();
        let new = log[self.read.0..].to_owned();
        self.read.0 = log.len();
        new.lines()
            .filter(|line| line.contains("\"rbuild/") && !line.starts_with("time="))
            .filter_map(|line| {
                line.split('"')
                    .nth(1)?
                    .strip_suffix(" HTTP/1.1")
                    .map(str::to_owned)
            })
            .collect()
    }

    /// Puts a manifest or an index into the registry under a tag.
    #[track_caller]
    pub(crate) fn put(&self, env: &TestEnv, path: &str, media_type: &str, document: &serde_json::Value) {
        let scheme = if self.tls { "https" } else { "http" };
        let mut curl = env
            .tool("curl")
            .args(["-sS", "--fail-with-body", "--noproxy", "*"]);
        if self.tls {
            curl = curl
                .args(["-u", &format!("{USER}:{PASSWORD}"), "--cacert"])
                .arg(self.ca());
        }
        curl.args([
            "-X",
            "PUT",
            "--data-binary",
            "@-",
            "-H",
            &format!("Content-Type: {media_type}"),
        ])
        .arg(format!("{scheme}://{}/v2/{path}", self.address()))
        .stdin(document.to_string())
        .run()
        .success();
    }

    /// What curl gets from a path below `/v2/`.
    #[track_caller]
    pub(crate) fn get(&self, env: &TestEnv, path: &str) -> String {
        self.get_manifest(env, path, "*/*")
    }

    /// The same as one media type, byte by byte.
    #[track_caller]
    pub(crate) fn get_manifest(&self, env: &TestEnv, path: &str, media_type: &str) -> String {
        let scheme = if self.tls { "https" } else { "http" };
        let mut curl = env
            .tool("curl")
            .args(["-sS", "--fail-with-body", "--noproxy", "*"]);
        if self.tls {
            curl = curl
                .args(["-u", &format!("{USER}:{PASSWORD}"), "--cacert"])
                .arg(self.ca());
        }
        let answer = curl
            .args(["-H", &format!("Accept: {media_type}")])
            .arg(format!("{scheme}://{}/v2/{path}", self.address()))
            .run()
            .success();
        String::from_utf8_lossy(&answer.stdout).into_owned()
    }
}

/// A port that nothing listens on right now.
pub(crate) fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a port is free");
    listener.local_addr().expect("a listener has an address").port()
}

fn config(dir: &std::path::Path, port: u16, tls: bool) -> String {
    let dir = dir.display();
    let mut text = format!(
        "version: 0.1\nlog:\n  level: info\nstorage:\n  filesystem:\n    rootdirectory: {dir}/data\n  delete:\n    enabled: true\n\
         http:\n  addr: 127.0.0.1:{port}\n"
    );
    if tls {
        text += &format!("  tls:\n    certificate: {dir}/server.pem\n    key: {dir}/server.key\n");
        text += &format!("auth:\n  htpasswd:\n    realm: test\n    path: {dir}/htpasswd\n");
    }
    text
}

/// Waits until somebody accepts connections; false when the registry has ended instead.
fn answers(env: &TestEnv, running: &mut Running, port: u16, tls: bool) -> bool {
    let url = format!("{}://127.0.0.1:{port}/v2/", if tls { "https" } else { "http" });
    let deadline = Instant::now() + Duration::from_secs(30);
    while running.is_running() && Instant::now() < deadline {
        // Only the registry that we started logs that it listens on this port.
        let answer = env
            .tool("curl")
            .args(["-sk", "--noproxy", "*", "-o", "/dev/null", "-w", "%{http_code}"])
            .arg(&url)
            .run();
        if answer.code() == 0 && running.is_running() {
            return true;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    false
}

/// An authority and a server certificate for 127.0.0.1 and localhost, signed by it.
#[track_caller]
fn make_certificate(env: &TestEnv, dir: &std::path::Path) {
    let openssl = |args: &[&str]| {
        env.tool("openssl").args(args).cwd(dir).run().success();
    };
    let key = [
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
    ];
    let authority = [
        "req",
        "-x509",
        "-days",
        "30",
        "-subj",
        "/CN=rbuild test authority",
        "-keyout",
        "ca.key",
        "-out",
        "ca.pem",
    ];
    openssl(
        &[
            &authority[..],
            &key[..],
            &["-addext", "basicConstraints=critical,CA:TRUE"],
        ]
        .concat(),
    );
    let request = [
        "req",
        "-subj",
        "/CN=127.0.0.1",
        "-keyout",
        "server.key",
        "-out",
        "server.csr",
    ];
    openssl(&[&request[..], &key[..]].concat());
    let extensions =
        "subjectAltName=IP:127.0.0.1,DNS:localhost\nbasicConstraints=CA:FALSE\nextendedKeyUsage=serverAuth\n";
    std::fs::write(dir.join("server.ext"), extensions).expect("a file can be written");
    let sign = [
        "x509",
        "-req",
        "-in",
        "server.csr",
        "-CA",
        "ca.pem",
        "-CAkey",
        "ca.key",
        "-CAcreateserial",
    ];
    openssl(
        &[
            &sign[..],
            &["-days", "30", "-extfile", "server.ext", "-out", "server.pem"],
        ]
        .concat(),
    );
    std::fs::create_dir_all(dir.join("certs")).expect("a folder can be made");
    std::fs::copy(dir.join("ca.pem"), dir.join("certs/ca.crt")).expect("a certificate can be copied");
}

/// RFC 4648, with padding.
pub(crate) fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let mut word = [0; 3];
        word[..chunk.len()].copy_from_slice(chunk);
        let bits = u32::from(word[0]) << 16 | u32::from(word[1]) << 8 | u32::from(word[2]);
        for at in 0..4 {
            let sextet = (bits >> (18 - 6 * at)) & 63;
            text.push(if at > chunk.len() {
                '='
            } else {
                char::from(ALPHABET[sextet as usize])
            });
        }
    }
    text
}
