//! Kind, hints and exit code of what the library reports: what a user can do about it stands here and nowhere else.

use super::failure::{Failure, Kind};
use super::{host, registry};
use rbuild_build::context::text::TextError;
use rbuild_build::error::{
    BaseError, ContextError, Error, ExportError, HostError, RemoteError, RequestError, TransferError,
};

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        failure(&error)
    }
}

/// What the user is told.
#[must_use]
pub fn failure(error: &Error) -> Failure {
    let inner = match error {
        Error::Transfer(TransferError::Load { source, .. })
        | Error::Export(ExportError::Write { source, .. } | ExportError::Directory { source, .. }) => {
            Some(source)
        }
        _ => None,
    };
    let failure = match inner {
        Some(source) => failure(source).context(error),
        None => Failure::from_error(kind(error), plain(error)),
    };
    let failure = said(failure, error);
    hints(error).into_iter().fold(failure, Failure::hint)
}

/// The error itself, out of what only says where it belongs.
fn plain(error: &Error) -> &(dyn std::error::Error + 'static) {
    match error {
        Error::Store(error) => error,
        Error::Snapshot(error) => error,
        Error::Image(error) => error,
        Error::Layer(error) => error,
        Error::Tree(error) => error,
        Error::Document(error) => error,
        Error::Access(error) => error,
        Error::Op(error) => error.as_ref(),
        Error::Host(HostError::Shortage(error)) => error,
        Error::Host(HostError::Zygote(error)) => error,
        Error::Host(HostError::Limits(error)) => error,
        Error::Host(HostError::Observer(error)) => error,
        Error::Transfer(TransferError::Registry(error)) => error.as_ref(),
        Error::Remote(RemoteError::Download { source, .. }) => source.as_ref(),
        other => other,
    }
}

fn kind(error: &Error) -> Kind {
    match error {
        Error::Request(RequestError::Epoch { .. })
        | Error::Context(ContextError::NoText { .. } | ContextError::Template { .. })
        | Error::Base(BaseError::NoReference { .. }) => Kind::Dockerfile,
        Error::Context(
            ContextError::Nowhere
            | ContextError::Read { .. }
            | ContextError::Room(_)
            | ContextError::DockerfileInput(_),
        ) => Kind::Host,
        Error::Request(_)
        | Error::Context(_)
        | Error::Remote(RemoteError::NoContext { .. })
        | Error::Export(ExportError::Terminal) => Kind::Usage,
        Error::Stopped => Kind::Interrupted,
        Error::Remote(_)
        | Error::Base(_)
        | Error::Transfer(_)
        | Error::Export(_)
        | Error::SharedCache { .. }
        | Error::Host(_)
        | Error::OpenStore { .. }
        | Error::Store(_)
        | Error::Snapshot(_)
        | Error::Image(_)
        | Error::Layer(_)
        | Error::Tree(_)
        | Error::Document(_)
        | Error::Access(_)
        | Error::Op(_) => Kind::Host,
    }
}

/// The first lines that another program has said.
fn said(failure: Failure, error: &Error) -> Failure {
    let Error::Remote(RemoteError::Git { said, .. }) = error else {
        return failure;
    };
    let lines = said.lines().filter(|line| !line.trim().is_empty());
    lines
        .take(3)
        .fold(failure, |failure, line| failure.cause(line.trim()))
}

/// What the user can do.
fn hints(error: &Error) -> Vec<String> {
    match error {
        Error::Request(error) => of_request(error),
        Error::Context(error) => of_context(error),
        Error::Remote(error) => of_remote(error),
        Error::Host(error) => of_host(error),
        Error::Base(BaseError::Forbidden { .. }) => {
            one("`rbuild pull` or `rbuild load` brings an image into the store")
        }
        Error::Base(BaseError::Gone { .. }) => one("something removed it during the build; build again"),
        Error::Transfer(TransferError::Registry(error)) => registry::hint(error).into_iter().collect(),
        Error::Transfer(TransferError::FilesGone { .. }) => one("build it again"),
        Error::Export(ExportError::SnapshotGone { .. }) => one("build the image again"),
        Error::Export(ExportError::Terminal) => one("redirect standard output, or give a file as dest="),
        Error::SharedCache { .. } => one("without ignore-error=false this is a warning"),
        Error::OpenStore { .. } => one("RBUILD_ROOT or --root names another directory"),
        _ => Vec::new(),
    }
}

fn one(hint: impl Into<String>) -> Vec<String> {
    vec![hint.into()]
}

fn of_request(error: &RequestError) -> Vec<String> {
    match error {
        RequestError::NoSuchStage { near: Some(near), .. } => one(format!("did you mean `{near}`?")),
        RequestError::Check(found) => found.help.iter().cloned().collect(),
        RequestError::ForeignFrontend { .. } => one("only the Dockerfile frontend is built in"),
        RequestError::NoSuchStage { near: None, .. } | RequestError::Epoch { .. } => Vec::new(),
    }
}

fn of_context(error: &ContextError) -> Vec<String> {
    match error {
        ContextError::NotADirectory { .. } => {
            one("a context is the directory that COPY takes files from; `-f` names the Dockerfile")
        }
        ContextError::IgnoreFileInside {
            source: TextError::LeadsOut,
            ..
        } => one("`--ignorefile FILE` names an ignore file elsewhere"),
        ContextError::NoDockerfile { instead, .. } => one(match *instead {
            Some("Containerfile") => "there is a Containerfile: build with `-f Containerfile`",
            Some(_) => "there is a Containerfile.in: templates are not preprocessed",
            None => "`-f FILE` names a Dockerfile elsewhere",
        }),
        ContextError::DockerfileInside {
            source: TextError::LeadsOut,
            ..
        } => one("`-f FILE` names a Dockerfile elsewhere"),
        ContextError::Dockerfile { near: Some(near), .. } => {
            one(format!("did you mean `{}`?", near.display()))
        }
        ContextError::Template { name, .. } => one(format!(
            "`cpp -E -P -traditional {name} | rbuild -f - CONTEXT` builds what it gives"
        )),
        _ => Vec::new(),
    }
}

fn of_remote(error: &RemoteError) -> Vec<String> {
    match error {
        RemoteError::RunGit(error) if error.kind() == std::io::ErrorKind::NotFound => {
            one("git sources need the program `git`")
        }
        RemoteError::Git {
            url,
            said,
            authorized,
            ..
        } => of_git(host_of(url), said, *authorized).into_iter().collect(),
        RemoteError::NoReference { reference, .. }
            if reference.len() >= 7 && reference.bytes().all(|byte| byte.is_ascii_hexdigit()) =>
        {
            one("a commit is named by all of its digits")
        }
        RemoteError::Download {
            url,
            authorized,
            source,
        } => {
            let own = registry::hint(source);
            own.into_iter()
                .chain(of_server(host_of(url), source.status(), *authorized))
                .collect()
        }
        _ => Vec::new(),
    }
}

fn host_of(url: &str) -> &str {
    rbuild_build::address::authority(url).unwrap_or_default()
}

fn of_git(host: &str, said: &str, authorized: bool) -> Option<String> {
    let says = |what: &[&str]| what.iter().any(|what| said.contains(what));
    if says(&["could not read Username", "Authentication failed", "error: 403"]) {
        return Some(match authorized {
            false => {
                format!("if the repository is private, say who you are: `--secret id=GIT_AUTH_TOKEN.{host}`")
            }
            true => format!("{host} does not let these credentials read the repository"),
        });
    }
    if says(&["Host key verification failed"]) {
        return Some(format!(
            "ssh does not know this host yet: `ssh-keyscan {host} >> ~/.ssh/known_hosts`, once its keys are checked"
        ));
    }
    if says(&["Permission denied (publickey"]) {
        return Some(
            "ssh takes the keys of your agent and of ~/.ssh; `--ssh default=KEY` names one".to_owned(),
        );
    }
    says(&["error: 301", "error: 302", "error: 307", "error: 308"]).then(|| {
        "the repository has moved; credentials are not sent after it, so name its new address".to_owned()
    })
}

fn of_server(host: &str, status: Option<u16>, authorized: bool) -> Option<String> {
    match (status?, authorized) {
        (401 | 403, false) => Some(format!(
            "if the file is private, say who you are: `--secret id=HTTP_AUTH_TOKEN_{host}`"
        )),
        (401 | 403, true) => Some(format!("{host} does not let these credentials read the file")),
        (404, false) => Some(format!(
            "check the spelling; some servers say this of private files too: `--secret id=HTTP_AUTH_TOKEN_{host}`"
        )),
        (404, true) => Some("check the spelling".to_owned()),
        (429, _) => Some("the server limits the rate of requests: try again later".to_owned()),
        _ => None,
    }
}

fn of_host(error: &HostError) -> Vec<String> {
    let remedy = match error {
        HostError::Obstacle(obstacle) => obstacle.0.remedy.clone(),
        HostError::Ids(error) => Some(error.remedy()),
        HostError::Namespace(error) => error.remedy(),
        HostError::Limits(error) => return error.remedy().as_ref().map(host::words).into_iter().collect(),
        HostError::Shortage(_) | HostError::Zygote(_) | HostError::Observer(_) => return Vec::new(),
    };
    let remedy = remedy.as_ref().map(host::words);
    remedy.into_iter().chain([host::DOCTOR.to_owned()]).collect()
}
