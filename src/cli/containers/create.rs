//! `rbuild create`, and the part of `run` that makes a container which is kept.

use super::{not_started, random};
use crate::cli::run::{Found, RunArgs, RunOptions};
use crate::cli::streams::print;
use crate::error::Failure;
use crate::options::{choice, size};
use clap::Args;
use rbuild_container::StartError;
use rbuild_container::kept::{ImageName, Kept, KeptError, Record, Restart, random_name};
use rbuild_container::log::LogOptions;
use rbuild_container::time::now;
use rbuild_store::containers::{ContainerError, ContainerId, is_name};
use rbuild_store::snapshot::{Held, SnapshotStore};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::path::Path;

/// What was typed: as for a run.
#[derive(Debug, Args)]
#[command(mut_arg("detach", |arg| arg.hide(true)))]
pub struct CreateArgs {
    /// All of it.
    #[command(flatten)]
    pub run: RunArgs,
}

/// What a container that is kept needs besides what shapes its command.
#[derive(Debug, Clone)]
pub struct KeptOptions {
    name: Option<String>,
    labels: BTreeMap<String, String>,
    annotations: BTreeMap<String, String>,
    auto_remove: bool,
    stop_signal: Option<i32>,
    stop_timeout: Option<i64>,
    /// Whether it is started again by itself.
    pub restart: Restart,
    log: LogOptions,
}

impl KeptOptions {
    /// Gives the flags their meaning.
    ///
    /// # Errors
    /// One of them has none.
    pub fn from_args(args: &RunArgs) -> Result<Self, Failure> {
        if let Some(name) = &args.name {
            check_name(name)?;
        }
        let restart = args.restart.parse::<Restart>().map_err(|()| {
            choice(
                "--restart",
                &args.restart,
                &["no", "on-failure", "on-failure:3", "always", "unless-stopped"],
            )
        })?;
        if args.rm && restart != Restart::No {
            return Err(Failure::usage("--rm and --restart exclude each other"));
        }
        let mut labels = BTreeMap::new();
        for file in &args.label_files {
            for line in lines(file)? {
                pair(&line, &mut labels);
            }
        }
        for label in &args.labels {
            pair(label, &mut labels);
        }
        let mut annotations = BTreeMap::new();
        for annotation in &args.annotations {
            pair(annotation, &mut annotations);
        }
        let signal = args.stop_signal.as_deref();
        Ok(Self {
            name: args.name.clone(),
            labels,
            annotations,
            auto_remove: args.rm,
            stop_signal: signal.map(super::stop::number).transpose()?,
            stop_timeout: args.stop_timeout,
            restart,
            log: log_options(args)?,
        })
    }
}

/// `KEY=VALUE`; a bare key has the empty value.
fn pair(text: &str, into: &mut BTreeMap<String, String>) {
    let (key, value) = text.split_once('=').unwrap_or((text, ""));
    into.insert(key.to_owned(), value.to_owned());
}

#[expect(clippy::disallowed_methods, reason = "the caller names this path")]
fn lines(file: &Path) -> Result<Vec<String>, Failure> {
    let text = std::fs::read_to_string(file)
        .map_err(|error| Failure::usage(format!("--label-file `{}`: {error}", file.display())))?;
    let lines = text.lines().map(str::trim);
    let lines = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
    Ok(lines.map(str::to_owned).collect())
}

fn log_options(args: &RunArgs) -> Result<LogOptions, Failure> {
    let mut options = match args.log_driver.as_str() {
        "none" => LogOptions::NONE,
        "json-file" | "local" | "k8s-file" => LogOptions::default(),
        other => {
            return Err(choice(
                "--log-driver",
                other,
                &["none", "json-file", "local", "k8s-file"],
            ));
        }
    };
    for option in &args.log_opts {
        let (name, value) = option.split_once('=').unwrap_or((option, ""));
        match name {
            "max-size" if value == "-1" => options.bytes = 0,
            "max-size" => options.bytes = size("--log-opt max-size", value)?,
            "max-file" => {
                options.files = value.parse().ok().filter(|files| *files > 0).ok_or_else(|| {
                    Failure::usage(format!("--log-opt max-file: `{value}` is no number of files"))
                })?;
            }
            other => return Err(choice("--log-opt", other, &["max-size", "max-file"])),
        }
    }
    if args.log_driver == "none" {
        options = LogOptions::NONE;
    }
    Ok(options)
}

/// A name that a container can have.
///
/// # Errors
/// It cannot.
pub fn check_name(name: &str) -> Result<(), Failure> {
    if is_name(name) {
        return Ok(());
    }
    Err(Failure::usage(format!("`{name}` is no container name"))
        .hint("letters, digits, `_`, `.` and `-`, at most 128, starting with a letter or digit"))
}

/// Makes a container, and prints its id.
///
/// # Errors
/// Whatever keeps it from being made.
pub fn run(args: &CreateArgs, root: Option<&Path>) -> Result<u8, Failure> {
    let args = &args.run;
    if args.detach {
        return Err(Failure::usage(
            "a container that is only made has nothing to detach from: leave out -d",
        ));
    }
    let found = Found::of(args, root)?;
    found.enter()?;
    let image = found.fetched()?;
    let snapshots = SnapshotStore::new(found.store.clone());
    let (kept, _) = make(args, &found.options, &found, &image, &snapshots)?;
    print(&format!("{}\n", kept.record().id))?;
    Ok(0)
}

/// The file that a container's id is written to. It is made first: one that is there belongs to another container.
#[derive(Debug)]
pub struct IdFile(Option<(File, std::path::PathBuf)>);

impl IdFile {
    /// Makes it.
    ///
    /// # Errors
    /// It is there, or cannot be made.
    #[expect(clippy::disallowed_methods, reason = "the caller names this path")]
    pub fn new(path: Option<&Path>) -> Result<Self, Failure> {
        let Some(path) = path else { return Ok(Self(None)) };
        match File::create_new(path) {
            Ok(file) => Ok(Self(Some((file, path.to_owned())))),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Err(Failure::usage(format!(
                "--cidfile `{}` exists already",
                path.display()
            ))
            .hint("remove it when no container is behind it any more")),
            Err(error) => Err(Failure::usage(format!("--cidfile `{}`: {error}", path.display()))),
        }
    }

    fn write(&mut self, id: &ContainerId) -> Result<(), Failure> {
        let Some((file, path)) = &mut self.0 else {
            return Ok(());
        };
        let path = path.display();
        file.write_all(id.as_str().as_bytes())
            .map_err(|error| Failure::host(format!("writing --cidfile `{path}`: {error}")))
    }
}

impl Drop for IdFile {
    /// An empty one is nobody's.
    #[expect(clippy::disallowed_methods, reason = "the caller names this path")]
    fn drop(&mut self) {
        if let Some((file, path)) = &self.0
            && file.metadata().is_ok_and(|metadata| metadata.len() == 0)
        {
            let _ = std::fs::remove_file(path);
        }
    }
}

/// Makes the container that a run asks for.
///
/// # Errors
/// Whatever keeps it from being made.
pub fn make(
    args: &RunArgs,
    options: &RunOptions,
    found: &Found,
    image: &rbuild_store::image::ImageRecord,
    snapshots: &SnapshotStore,
) -> Result<(Kept, Option<Held>), Failure> {
    let kept = &options.kept;
    let mut id_file = IdFile::new(args.cidfile.as_deref())?;
    // Until the container is in the list, nothing else keeps its image.
    let _pin = found.store.locks().pin_blobs().map_err(Failure::from_host)?;
    let files = found.files(snapshots, image)?;
    let config = image.parse_config().map_err(Failure::from_host)?.config;
    let id = ContainerId::from_random(&random::bytes()?);
    let mut request = options.request.clone();
    if args.hostname.is_none() && args.name.as_ref().is_none_or(|name| name.len() > 64) {
        id.short().clone_into(&mut request.hostname);
    }
    let mut labels = config.labels.clone();
    labels.extend(kept.labels.clone());
    let signal = config.stop_signal.as_deref();
    let mut record = Record {
        id,
        name: kept.name.clone().unwrap_or_default(),
        created: now(),
        image: ImageName {
            id: image.id,
            name: args.image_and_command().0.to_owned(),
        },
        snapshot: image.snapshot,
        stop_signal: kept
            .stop_signal
            .or_else(|| dockerfile_parser::signal::parse(signal?).map(i32::from))
            .unwrap_or(15),
        stop_timeout: kept.stop_timeout.or(config.stop_timeout).unwrap_or(10),
        config,
        request,
        argv: Vec::new(),
        tty: options.tty,
        open_stdin: options.interactive,
        auto_remove: kept.auto_remove,
        restart: kept.restart,
        labels,
        annotations: kept.annotations.clone(),
        log: kept.log,
    };
    let random = u32::from_le_bytes(random::bytes()?);
    for attempt in 0.. {
        if kept.name.is_none() {
            record.name = random_name(random, attempt);
        }
        match Kept::create(snapshots, record.clone(), files.as_ref()) {
            Err(StartError::Kept(KeptError::Container(ContainerError::NameInUse { .. })))
                if kept.name.is_none() && attempt < 100 => {}
            Err(error) => return Err(name_hint(not_started(error))),
            Ok(made) => {
                id_file.write(&made.record().id)?;
                return Ok((made, files));
            }
        }
    }
    Err(Failure::host("internal error: no name is free"))
}

fn name_hint(failure: Failure) -> Failure {
    match failure.text().contains("is already in use") {
        true => {
            failure.hint("`rbuild rm NAME` removes that container, `rbuild rename` gives it another name")
        }
        false => failure,
    }
}
