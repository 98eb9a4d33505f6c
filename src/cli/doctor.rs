//! `rbuild doctor`: what this host allows, what is missing, and the line that mends it.

use super::streams::{print, print_json, stdout_style};
use crate::error::Failure;
use crate::report::{host, weaker};
use crate::store_root;
use crate::ui::Paint;
use clap::Args;
use rbuild_sandbox::Remedy;
use rbuild_sandbox::probe::{self, Allowance, Check, HostReport};
use rbuild_store::{Need, Store};
use serde_json::json;
use std::path::{Path, PathBuf};

/// What was typed.
#[derive(Debug, Args)]
pub struct DoctorArgs {
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Looks and tells; 0 when builds work here, else 1.
///
/// # Errors
/// No directory for the store is known, or standard output cannot be written.
pub fn run(args: &DoctorArgs, root: Option<&Path>) -> Result<u8, Failure> {
    let root = store_root::locate(root)?;
    let (store, place) = store(&root);
    let mut report = probe::probe(
        place.as_ref().map(Place::path),
        &crate::environment::environment().caller(),
    );
    drop(place);
    // The probe has looked at the directory that it was given, which may be a trial.
    match report.checks.iter_mut().find(|check| check.name == store.name) {
        // That it takes no overlays is told by the probe.
        Some(check) if check.ok || !store.ok => *check = store,
        Some(_) => {}
        None => report.checks.push(store),
    }
    let works = report.way.is_some() && report.obstacle().is_none();
    if args.json {
        print_json(&json!({
            "works": works,
            "tier": report.allows,
            "tier_meaning": meaning(report.allows),
            "way": report.way,
            "lost": report.way.map(weaker::lost).unwrap_or_default(),
            "store": root,
            "checks": report.checks.iter().map(as_json).collect::<Vec<_>>(),
        }))?;
    } else {
        print(&text(&report, works))?;
    }
    Ok(u8::from(!works))
}

fn as_json(check: &Check) -> serde_json::Value {
    json!({
        "name": check.name,
        "ok": check.ok,
        "required": check.required,
        "detail": check.detail,
        "fix": check.remedy.as_ref().map(host::words),
    })
}

/// A directory on the file system of the store.
enum Place {
    Store(PathBuf),
    Trial(tempfile::TempDir),
}

impl Place {
    fn path(&self) -> &Path {
        match self {
            Place::Store(path) => path,
            Place::Trial(dir) => dir.path(),
        }
    }
}

/// Whether the store can be where it should be. When it is not there yet, a trial store is made beside its future
/// place and removed again.
#[expect(clippy::disallowed_methods, reason = "the store's own path")]
fn store(root: &Path) -> (Check, Option<Place>) {
    let check = |ok: bool, detail: String| Check {
        name: "store".to_owned(),
        ok,
        required: true,
        detail,
        remedy: (!ok).then_some(Remedy::LocalStore),
    };
    let shown = root.display();
    let has_something = std::fs::read_dir(root).is_ok_and(|mut entries| entries.next().is_some());
    if has_something || root.is_file() {
        return match Store::open(root, "", Need::Writing) {
            Ok(_) => (
                check(true, format!("{shown}")),
                Some(Place::Store(root.to_owned())),
            ),
            Err(error) => (check(false, error.to_string()), None),
        };
    }
    let Some(near) = root.ancestors().find(|dir| dir.is_dir()) else {
        return (
            check(false, format!("{shown}: no directory above it is there")),
            None,
        );
    };
    let trial = match tempfile::Builder::new()
        .prefix(".rbuild-doctor-")
        .tempdir_in(near)
    {
        Ok(trial) => trial,
        Err(error) => {
            // The error itself speaks of the trial.
            let why = std::io::Error::from(error.kind());
            return (check(false, format!("{shown} cannot be made: {why}")), None);
        }
    };
    match Store::open(&trial.path().join("store"), "", Need::Writing) {
        Ok(_) => (
            check(true, format!("{shown} will be made by the first build")),
            Some(Place::Trial(trial)),
        ),
        // The error speaks of the trial; the user thinks of the store.
        Err(rbuild_store::StoreError::Unsuitable { problem, .. }) => (
            check(false, format!("{shown} cannot hold the store: {problem}")),
            None,
        ),
        Err(error) => (check(false, format!("{shown}: {error}")), None),
    }
}

fn meaning(allows: Allowance) -> &'static str {
    match allows {
        Allowance::Root => "root: steps run in a user namespace with every id",
        Allowance::IdRange => "an ordinary user with a range of subordinate ids",
        Allowance::Less => "a user namespace with every id, but not all mounts",
        Allowance::OneId => "a user namespace with one id only",
        Allowance::Chroot => {
            "root without user namespaces, as in a container under its engine's default settings"
        }
        Allowance::Files => "no user namespace and no root",
    }
}

fn text(report: &HostReport, works: bool) -> String {
    let style = stdout_style();
    let mut text = format!("tier {}: {}\n", report.allows.tier(), meaning(report.allows));
    text += &match works {
        true => style.paint(Paint::Good, "builds work here"),
        false => style.paint(Paint::Bad, "builds do not work here yet"),
    };
    text += "\n";
    if let Some(way) = report.way {
        text += &format!("{}\n", weaker::how(way));
        for lost in weaker::lost(way) {
            text += &format!("  lost: {lost}\n");
        }
    }
    text += "\n";
    let width = report
        .checks
        .iter()
        .map(|check| check.name.chars().count())
        .max()
        .unwrap_or(0);
    for check in &report.checks {
        let state = match (check.ok, check.required) {
            (true, _) => style.paint(Paint::Good, "ok      "),
            (false, true) => style.paint(Paint::Bad, "missing "),
            (false, false) => style.paint(Paint::Strong, "optional"),
        };
        text += &format!("{state}  {:width$}  {}\n", check.name, check.detail);
        if let Some(remedy) = &check.remedy {
            text += &format!("{:8}  {:width$}  mend it: {}\n", "", "", host::words(remedy));
        }
    }
    text
}
