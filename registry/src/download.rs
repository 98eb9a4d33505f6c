//! `download`: one file by its URL, for `ADD https://…`. No registry is involved, only the same way to speak HTTP:
//! proxies, certificates, retries, silence, cancellation.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};

use ureq::http::{HeaderName, HeaderValue, Method, header};

use crate::authorization::Authorization;
use crate::client::Client;
use crate::error::{Action, Attempt, Error, ErrorKind};
use crate::http::{Answer, Payload};
use crate::transport_error;
use crate::url::Url;

/// How many redirects are followed.
const MAX_REDIRECTS: usize = 10;

/// What an earlier answer said, so that the server can say "unchanged".
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Validators {
    /// `ETag`.
    pub etag: Option<String>,
    /// `Last-Modified`.
    pub last_modified: Option<String>,
}

/// What came of a download.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Download {
    /// The server says that what the validators name is still what it has.
    Unchanged {
        /// What it says of it now.
        validators: Validators,
    },
    /// The file was written.
    Fetched {
        /// To be kept for the next time.
        validators: Validators,
        /// Bytes.
        size: u64,
    },
}

impl Client {
    /// Fetches `url` into `file`, which is emptied first. `progress` is told bytes so far, and in all where known.
    ///
    /// `authorization` goes to the server that the URL names; whoever it redirects to does not get it. Credentials of
    /// registries stay here, and user info in the URL is refused.
    ///
    /// # Errors
    /// The URL is not usable, the server answers with an error, or the transfer fails for good.
    pub fn download(
        &self,
        url: &str,
        known: &Validators,
        authorization: Option<&Authorization>,
        file: &mut File,
        progress: &dyn Fn(u64, Option<u64>),
    ) -> Result<Download, Error> {
        let mut attempt = Attempt {
            action: Action::Download,
            host: String::new(),
            repository: String::new(),
            object: shown(url),
        };
        let start = Url::parse(url).map_err(|error| ErrorKind::Url(error).at(&attempt))?;
        start.authority().clone_into(&mut attempt.host);
        self.retry(&attempt, || {
            let answer = self.follow(&start, known, authorization, &attempt)?;
            let text = |name: &str| answer.header(name).map(str::to_owned);
            let validators = Validators {
                etag: text("etag"),
                last_modified: text("last-modified"),
            };
            if answer.status == 304 {
                answer.drain();
                return Ok(Download::Unchanged { validators });
            }
            let answer = self.expect(answer, &attempt, &[200])?;
            let total = answer.content_length();
            file.seek(SeekFrom::Start(0))
                .and_then(|_| file.set_len(0))
                .map_err(|error| ErrorKind::Sink(error).at(&attempt))?;
            let size = self.body(answer, total, file, progress, &attempt)?;
            Ok(Download::Fetched { validators, size })
        })
    }

    fn follow(
        &self,
        start: &Url,
        known: &Validators,
        authorization: Option<&Authorization>,
        attempt: &Attempt,
    ) -> Result<Answer, Error> {
        let mut url = start.clone();
        let mut headers = conditions(known);
        let authorization = authorization.and_then(Authorization::header);
        headers.extend(authorization.map(|value| (header::AUTHORIZATION, value)));
        for _ in 0..=MAX_REDIRECTS {
            if !url.same_origin(start) {
                // For good: the way back could be somebody else's.
                headers.retain(|(name, _)| *name != header::AUTHORIZATION);
            }
            let answer = self
                .http()
                .send(&Method::GET, &url, &headers, Payload::None)
                .map_err(|kind| kind.at(attempt))?;
            if !matches!(answer.status, 301 | 302 | 303 | 307 | 308) {
                return Ok(answer);
            }
            let Some(location) = answer.header("location").map(str::to_owned) else {
                return Ok(answer);
            };
            answer.drain();
            let next = url
                .join(&location)
                .map_err(|error| ErrorKind::Url(error).at(attempt))?;
            // A file that was asked for over TLS does not come in the clear.
            if url.scheme().name() == "https" && next.scheme().name() == "http" {
                let to = next.authority().to_owned();
                return Err(ErrorKind::Redirect {
                    to,
                    reason: "which does not speak TLS",
                }
                .at(attempt));
            }
            url = next;
        }
        let to = url.authority().to_owned();
        Err(ErrorKind::Redirect {
            to,
            reason: "and on and on",
        }
        .at(attempt))
    }

    fn body(
        &self,
        answer: Answer,
        total: Option<u64>,
        file: &mut File,
        progress: &dyn Fn(u64, Option<u64>),
        attempt: &Attempt,
    ) -> Result<u64, Error> {
        let mut reader = answer.into_reader();
        let mut buffer = vec![0; 128 << 10];
        let mut done = 0;
        loop {
            if self.options().cancel.is_cancelled() {
                return Err(ErrorKind::Cancelled.at(attempt));
            }
            let read = match reader.read(&mut buffer) {
                Ok(0) => break,
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(transport_error::from_io(error).at(attempt)),
            };
            file.write_all(&buffer[..read])
                .map_err(|error| ErrorKind::Sink(error).at(attempt))?;
            done += read as u64;
            progress(done, total);
        }
        if let Some(total) = total
            && total != done
        {
            let cut = io::Error::new(io::ErrorKind::UnexpectedEof, "the body ended early");
            return Err(transport_error::from_io(cut).at(attempt));
        }
        Ok(done)
    }
}

/// The URL for messages: without query, and without a user's name and password.
pub(crate) fn shown(url: &str) -> String {
    let bare = url.split(['?', '#']).next().unwrap_or(url);
    match bare.split_once("://") {
        Some((scheme, rest)) => {
            let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
            let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
            format!("{scheme}://{host}{path}")
        }
        None => bare.to_owned(),
    }
}

fn conditions(known: &Validators) -> Vec<(HeaderName, HeaderValue)> {
    let mut headers = Vec::new();
    for (name, value) in [
        (header::IF_NONE_MATCH, &known.etag),
        (header::IF_MODIFIED_SINCE, &known.last_modified),
    ] {
        if let Some(value) = value
            .as_deref()
            .and_then(|value| HeaderValue::from_str(value).ok())
        {
            headers.push((name, value));
        }
    }
    headers
}

#[cfg(test)]
mod tests {
    use super::*;

    use std::io::BufRead;
    use std::net::TcpListener;

    /// Serves one scripted answer per connection; gives the requests' heads.
    fn serve(answers: Vec<String>) -> (String, std::thread::JoinHandle<Vec<String>>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let thread = std::thread::spawn(move || {
            answers
                .into_iter()
                .map(|answer| {
                    let (mut stream, _) = listener.accept().unwrap();
                    let mut head = String::new();
                    let mut reader = io::BufReader::new(stream.try_clone().unwrap());
                    while !head.ends_with("\r\n\r\n") && reader.read_line(&mut head).unwrap() > 0 {}
                    stream.write_all(answer.as_bytes()).unwrap();
                    head
                })
                .collect()
        });
        (address, thread)
    }

    fn answer(status: &str, headers: &str, body: &str) -> String {
        format!(
            "HTTP/1.1 {status}\r\n{headers}Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        )
    }

    #[test]
    fn a_file_with_its_validators_then_unchanged() {
        let (address, server) = serve(vec![
            answer("302 Found", "Location: /b\r\n", ""),
            answer(
                "200 OK",
                "ETag: \"1\"\r\nLast-Modified: Thu, 01 Jan 1970 00:00:09 GMT\r\n",
                "hello",
            ),
            answer(
                "304 Not Modified",
                "Last-Modified: Thu, 01 Jan 1970 00:00:10 GMT\r\n",
                "",
            ),
        ]);
        let client = Client::new(crate::ClientOptions::default());
        let mut file = tempfile::tempfile().unwrap();
        let url = format!("{address}/a");
        let Download::Fetched { validators, size } = client
            .download(&url, &Validators::default(), None, &mut file, &|_, _| {})
            .unwrap()
        else {
            panic!("nothing came");
        };
        assert_eq!((size, validators.etag.as_deref()), (5, Some("\"1\"")));
        assert_eq!(
            client
                .download(&url, &validators, None, &mut file, &|_, _| {})
                .unwrap(),
            Download::Unchanged {
                validators: Validators {
                    etag: None,
                    last_modified: Some("Thu, 01 Jan 1970 00:00:10 GMT".to_owned()),
                }
            }
        );
        let heads = server.join().unwrap();
        assert!(
            heads[2].to_ascii_lowercase().contains("if-none-match: \"1\""),
            "{}",
            heads[2]
        );
        assert!(
            heads[2]
                .to_ascii_lowercase()
                .contains("if-modified-since: thu, 01 jan"),
            "{}",
            heads[2]
        );
    }

    #[test]
    fn who_we_are_stays_with_the_server_that_was_named() {
        let (other, others) = serve(vec![answer("200 OK", "", "from the other")]);
        let (address, server) = serve(vec![
            answer("302 Found", "Location: /moved\r\n", ""),
            answer("302 Found", &format!("Location: {other}/x\r\n"), ""),
        ]);
        let client = Client::new(crate::ClientOptions::default());
        let mut file = tempfile::tempfile().unwrap();
        let known = Validators::default();
        let authorization = Authorization::bearer("canary").unwrap();
        client
            .download(
                &format!("{address}/a"),
                &known,
                Some(&authorization),
                &mut file,
                &|_, _| {},
            )
            .unwrap();
        for head in server.join().unwrap() {
            assert!(head.contains("uthorization: Bearer canary"), "{head}");
        }
        for head in others.join().unwrap() {
            assert!(!head.contains("canary"), "{head}");
        }
    }

    #[test]
    fn errors_name_the_url_and_the_status() {
        let (address, server) = serve(vec![answer("404 Not Found", "", "")]);
        let client = Client::new(crate::ClientOptions::default());
        let mut file = tempfile::tempfile().unwrap();
        let error = client
            .download(
                &format!("{address}/a?token=x"),
                &Validators::default(),
                None,
                &mut file,
                &|_, _| {},
            )
            .unwrap_err();
        let text = format!("{error}");
        assert!(
            text.contains("/a") && text.contains("404") && !text.contains("token"),
            "{text}"
        );
        server.join().unwrap();
    }

    #[test]
    fn a_password_in_a_url_is_refused_and_not_shown() {
        let client = Client::new(crate::ClientOptions::default());
        let mut file = tempfile::tempfile().unwrap();
        let error = client
            .download(
                "https://me:canary@h/f?x=canary",
                &Validators::default(),
                None,
                &mut file,
                &|_, _| {},
            )
            .unwrap_err();
        let text = format!("{error} {error:?}");
        assert!(text.contains("https://h/f") && !text.contains("canary"), "{text}");
    }
}
