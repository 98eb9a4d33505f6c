//! `type=http`: nginx with WebDAV, and servers that fail.

use super::*;
use crate::harness::invocation::Running;
use crate::harness::registry::{PASSWORD, USER, free_port};
use crate::harness::skip;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

/// nginx that takes files by `PUT`, with a password or without.
struct Nginx {
    _running: Running,
    port: u16,
}

impl Nginx {
    const NEEDS: &[&str] = &["nginx", "htpasswd"];

    fn start(env: &TestEnv, has_password: bool) -> Nginx {
        let dir = env.context("nginx", &[]);
        for folder in ["root", "tmp"] {
            let path = dir.join(folder);
            std::fs::create_dir_all(&path).unwrap();
        }
        std::fs::set_permissions(env.path(""), std::fs::Permissions::from_mode(0o755)).unwrap();
        let hash = env.tool("htpasswd").args(["-bn", USER, PASSWORD]).run().success();
        std::fs::write(dir.join("htpasswd"), &hash.stdout).unwrap();
        let auth = match has_password {
            true => format!(
                "auth_basic \"cache\"; auth_basic_user_file {}/htpasswd;",
                dir.display()
            ),
            false => String::new(),
        };
        for _ in 0..10 {
            let port = free_port();
            let at = dir.display();
            let text = format!(
                "daemon off; master_process off; pid {at}/pid; error_log {at}/error.log;\n\
                 events {{}}\n\
                 http {{ access_log {at}/access.log; client_body_temp_path {at}/tmp; proxy_temp_path {at}/tmp;\n\
                 fastcgi_temp_path {at}/tmp; uwsgi_temp_path {at}/tmp; scgi_temp_path {at}/tmp;\n\
                 server {{ listen 127.0.0.1:{port}; root {at}/root; client_max_body_size 0; {auth}\n\
                 location / {{ dav_methods PUT; create_full_put_path on; }} }} }}\n"
            );
            std::fs::write(dir.join("nginx.conf"), text).unwrap();
            let mut running = env
                .tool("nginx")
                .args(["-e", "stderr", "-p"])
                .arg(&dir)
                .arg("-c")
                .arg(dir.join("nginx.conf"))
                .patience(Duration::from_secs(900))
                .start();
            let deadline = Instant::now() + Duration::from_secs(30);
            while running.is_running() && Instant::now() < deadline {
                if std::net::TcpStream::connect(("127.0.0.1", port)).is_ok() {
                    return Nginx {
                        _running: running,
                        port,
                    };
                }
                std::thread::sleep(Duration::from_millis(20));
            }
        }
        panic!("nginx does not start");
    }

    fn url(&self, login: &str) -> String {
        format!("http://{login}127.0.0.1:{}/rbuild", self.port)
    }
}

fn both(url: &str) -> [String; 4] {
    ["--cache-from", "--cache-to"]
        .map(|flag| [flag.to_owned(), format!("type=http,url={url}")])
        .concat()
        .try_into()
        .unwrap()
}

#[test]
fn through_a_web_server() {
    if !skip::unless_installed("shared_cache::http::through_a_web_server", Nginx::NEEDS) {
        return;
    }
    for has_password in [false, true] {
        let (one, two) = (TestEnv::new(), TestEnv::new());
        let nginx = Nginx::start(&one, has_password);
        // In the URL, and in the file of credentials.
        let login = format!("{USER}:{}@", PASSWORD.replace(' ', "%20"));
        let url = nginx.url(if has_password { &login } else { "" });
        let sent = finish(&one, building(&one, &checkout(&one, "checkout")).args(both(&url)));
        assert_eq!(
            (sent.hits.as_str(), warnings(&sent)),
            ("mmmmmmm", 0),
            "{}",
            sent.outcome
        );
        assert_eq!(names(&one.path("nginx/root/rbuild/ac")).len(), 7);

        let auth = crate::harness::registry::base64(format!("{USER}:{PASSWORD}").as_bytes());
        let address = format!("127.0.0.1:{}", nginx.port);
        let file = serde_json::json!({ "auths": { address: { "auth": auth } } });
        let file = two.write("auth.json", file.to_string());
        let invocation = building(&two, &checkout(&two, "checkout"))
            .arg("--authfile")
            .arg(file);
        let came = finish(&two, invocation.args(both(&nginx.url(""))));
        assert_eq!(
            (came.hits.as_str(), warnings(&came)),
            ("hhhhhhh", 0),
            "{}",
            came.outcome
        );
        assert_eq!(came.image, sent.image);

        // A directory that is served is such a cache as well.
        let three = TestEnv::new();
        let cache = one.path("nginx/root/served");
        sending(&one, &one.path("checkout"), &cache);
        let served = nginx
            .url(if has_password { &login } else { "" })
            .replace("/rbuild", "/served");
        let came = finish(
            &three,
            building(&three, &checkout(&three, "checkout")).args(both(&served)),
        );
        assert_eq!(
            (came.hits.as_str(), warnings(&came)),
            ("hhhhhhh", 0),
            "{}",
            came.outcome
        );

        if has_password {
            let four = TestEnv::new();
            let wrong = nginx.url("canary-user:canary-password@");
            let built = finish(
                &four,
                building(&four, &checkout(&four, "checkout")).args(both(&wrong)),
            );
            assert_eq!(
                (built.hits.as_str(), warnings(&built)),
                ("mmmmmmm", 1),
                "{}",
                built.outcome
            );
            assert!(!built.outcome.err().contains("canary"), "{}", built.outcome);
        }
    }
}

/// Answers every request so, or never.
fn server(answer: Option<&'static str>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        let mut held = Vec::new();
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let Some(answer) = answer else {
                held.push(stream);
                continue;
            };
            let mut line = String::new();
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            while reader.read_line(&mut line).is_ok_and(|read| read > 2) {
                line.clear();
            }
            let _ = write!(
                stream,
                "HTTP/1.1 {answer}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            );
        }
    });
    port
}

/// The build goes on without, and does not wait for ever.
#[test]
fn servers_that_fail() {
    for answer in [Some("500 Internal Server Error"), Some("401 Unauthorized"), None] {
        let env = TestEnv::new();
        let port = server(answer);
        let url = format!("http://127.0.0.1:{port}/cache");
        let invocation = building(&env, &checkout(&env, "checkout")).args(["--retry", "0"]);
        let built = finish(&env, invocation.args(both(&url)));
        assert_eq!(
            (built.hits.as_str(), warnings(&built)),
            ("mmmmmmm", 1),
            "{answer:?}: {}",
            built.outcome
        );
    }
}
