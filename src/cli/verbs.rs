//! Verbs of docker, podman and buildah: each is one of rbuild's, does nothing because there is nothing to do, or is
//! refused with what to use instead. `docs/flags.md` is made from the table.

use crate::error::Failure;
use std::ffi::OsString;
use std::path::Path;

/// What becomes of a verb.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// These words of rbuild's.
    Same(&'static [&'static str]),
    /// There is nothing to do, and this is said.
    Nothing(&'static str),
    /// What to do instead.
    Refused(&'static str),
}
use Fate::{Nothing, Refused, Same};

/// What a command line became.
#[derive(Debug)]
pub enum Meant {
    /// rbuild's own words.
    Words(Vec<OsString>),
    /// Nothing, and why.
    Nothing(&'static str),
}

const NOT_YET: &str =
    "that is not done yet; `rbuild run`, `create`, `start`, `stop`, `exec`, `ps`, `logs` and their like are";
const KEEP: &str = "a container is looked after by a process of its own: start it with `rbuild run -d`";
const CHANGE: &str = "write a Dockerfile";
const DAEMON: &str = "there is no daemon";
const CLUSTER: &str = "that is the work of docker, podman or Kubernetes, which take the image";
const INDEXES: &str = "use `rbuild build --platform A,B -t NAME`, or `rbuild manifest`";
const NETWORKS: &str = "there are --network host, private and none, and none that containers share";
const VOLUMES: &str = "use -v HOST:CONTAINER: a volume is a directory of the host";
const SIGNING: &str = "sign what was pushed with cosign or notation";
const MOUNTED: &str = "use `rbuild build -o DIR` with `FROM IMAGE` for the files of an image";
const IMPORT: &str = "use `FROM scratch` and `ADD FILE.tar /`";
const SEARCH: &str = "registries are not searched";
const BUILDERS: &str = "there is no builder to choose: rbuild is the builder";

/// Every such verb, by its words.
pub const VERBS: &[(&str, Fate)] = &[
    ("add", Refused(CHANGE)),
    ("artifact", Refused(CLUSTER)),
    ("attach", Refused(NOT_YET)),
    ("auto-update", Refused(KEEP)),
    ("bud", Same(&["build"])),
    (
        "builder",
        Refused("use `rbuild build`, or `rbuild prune -a` for the build cache"),
    ),
    ("builder build", Same(&["build"])),
    ("builder prune", Same(&["prune", "--all"])),
    (
        "buildx",
        Refused("use `rbuild build`, `rbuild df` or `rbuild prune`"),
    ),
    (
        "buildx bake",
        Refused("write the builds as commands: there are no bake files"),
    ),
    ("buildx build", Same(&["build"])),
    ("buildx create", Refused(BUILDERS)),
    ("buildx du", Same(&["df"])),
    ("buildx history", Refused("use `rbuild why`")),
    ("buildx imagetools", Refused(INDEXES)),
    ("buildx inspect", Same(&["doctor"])),
    ("buildx ls", Refused(BUILDERS)),
    ("buildx prune", Same(&["prune", "--all"])),
    ("buildx rm", Refused(BUILDERS)),
    ("buildx stop", Refused(BUILDERS)),
    ("buildx use", Refused(BUILDERS)),
    ("buildx version", Same(&["--version"])),
    ("checkpoint", Refused(KEEP)),
    ("commit", Refused(NOT_YET)),
    ("compose", Refused(CLUSTER)),
    ("config", Refused(CHANGE)),
    ("container create", Same(&["create"])),
    ("container exec", Same(&["exec"])),
    ("container inspect", Same(&["inspect", "--type=container"])),
    ("container kill", Same(&["kill"])),
    ("container list", Same(&["ps"])),
    ("container logs", Same(&["logs"])),
    ("container ls", Same(&["ps"])),
    ("container ps", Same(&["ps"])),
    ("container rename", Same(&["rename"])),
    ("container restart", Same(&["restart"])),
    ("container rm", Same(&["rm"])),
    ("container run", Same(&["run"])),
    ("container start", Same(&["start"])),
    ("container stop", Same(&["stop"])),
    ("container wait", Same(&["wait"])),
    ("containers", Same(&["ps"])),
    ("context", Refused(DAEMON)),
    ("copy", Refused(CHANGE)),
    ("cp", Refused(NOT_YET)),
    ("diff", Refused(NOT_YET)),
    ("events", Refused(DAEMON)),
    ("export", Refused(NOT_YET)),
    ("farm", Refused(CLUSTER)),
    ("from", Refused(CHANGE)),
    ("generate", Refused(CLUSTER)),
    ("healthcheck", Refused(KEEP)),
    ("help", Same(&["--help"])),
    (
        "image",
        Refused("use `rbuild images`, `rmi`, `tag`, `history`, `inspect`, `save`, `load`, `pull` or `push`"),
    ),
    ("image build", Same(&["build"])),
    ("image diff", Refused("use `rbuild history`")),
    (
        "image exists",
        Refused("use `rbuild inspect IMAGE`, and its exit code"),
    ),
    ("image history", Same(&["history"])),
    ("image import", Refused(IMPORT)),
    ("image inspect", Same(&["inspect", "--type=image"])),
    ("image list", Same(&["images"])),
    ("image load", Same(&["load"])),
    ("image ls", Same(&["images"])),
    ("image mount", Refused(MOUNTED)),
    ("image prune", Same(&["prune"])),
    ("image pull", Same(&["pull"])),
    ("image push", Same(&["push"])),
    ("image remove", Same(&["rmi"])),
    ("image rm", Same(&["rmi"])),
    ("image save", Same(&["save"])),
    (
        "image scp",
        Refused("use `rbuild save IMAGE | ssh HOST rbuild load`"),
    ),
    ("image search", Refused(SEARCH)),
    ("image sign", Refused(SIGNING)),
    ("image tag", Same(&["tag"])),
    ("image tree", Same(&["history"])),
    ("image trust", Refused(SIGNING)),
    ("image unmount", Refused(MOUNTED)),
    ("image untag", Same(&["rmi"])),
    ("import", Refused(IMPORT)),
    ("info", Same(&["doctor"])),
    (
        "init",
        Refused("use `rbuild create`: a start makes everything ready"),
    ),
    ("kube", Refused(CLUSTER)),
    ("list", Same(&["ps"])),
    ("machine", Refused("rbuild runs on Linux itself")),
    ("mount", Refused(MOUNTED)),
    ("network", Refused(NETWORKS)),
    ("node", Refused(CLUSTER)),
    ("pause", Refused(NOT_YET)),
    ("play", Refused(CLUSTER)),
    ("plugin", Refused(DAEMON)),
    ("pod", Refused(CLUSTER)),
    ("port", Refused(NOT_YET)),
    ("quadlet", Refused(KEEP)),
    ("search", Refused(SEARCH)),
    (
        "secret",
        Refused("use --secret id=NAME,src=FILE with `rbuild build`"),
    ),
    ("service", Refused(CLUSTER)),
    ("source", Refused(INDEXES)),
    ("stack", Refused(CLUSTER)),
    (
        "stats",
        Refused("use `systemd-cgtop`, with `rbuild run` in a unit"),
    ),
    ("swarm", Refused(CLUSTER)),
    (
        "system",
        Refused("use `rbuild df`, `rbuild prune` or `rbuild doctor`"),
    ),
    ("system df", Same(&["df"])),
    ("system events", Refused(DAEMON)),
    ("system info", Same(&["doctor"])),
    ("system prune", Same(&["prune"])),
    ("top", Refused(NOT_YET)),
    ("trust", Refused(SIGNING)),
    ("umount", Refused(MOUNTED)),
    ("unmount", Refused(MOUNTED)),
    ("unpause", Refused(NOT_YET)),
    (
        "unshare",
        Refused("use unshare(1): `unshare --map-auto --map-root-user`"),
    ),
    ("untag", Same(&["rmi"])),
    ("update", Refused(NOT_YET)),
    ("version", Same(&["--version"])),
    ("volume", Refused(VOLUMES)),
];

/// What a verb becomes; of two words that are none together, the first decides.
#[must_use]
pub fn fate(verb: &str) -> Option<Fate> {
    let at = VERBS.binary_search_by(|(name, _)| (*name).cmp(verb)).ok()?;
    VERBS.get(at).map(|(_, fate)| *fate)
}

/// rbuild's words for a command line that begins with a verb of another program.
///
/// # Errors
/// It is one of those that there are none for, with what to use instead.
pub fn translate(args: Vec<OsString>) -> Result<Meant, Failure> {
    let root = match args.get(1).and_then(|word| word.to_str()) {
        Some("--root") => 2,
        Some(word) if word.starts_with("--root=") => 1,
        _ => 0,
    };
    let word = |at: usize| args.get(1 + root + at).and_then(|word| word.to_str());
    let Some(first) = word(0) else {
        return Ok(Meant::Words(args));
    };
    let both = word(1).map(|second| format!("{first} {second}"));
    let two = both.as_deref().and_then(fate).or_else(|| {
        // `container stop` is `stop`.
        let of_container = word(1).filter(|_| first == "container")?;
        fate(of_container).filter(|fate| !matches!(fate, Same(_)))
    });
    // A context may be called as another program's verb.
    let (words, fate, verb) = match (two, fate(first)) {
        (Some(fate), _) => (2, fate, both.as_deref().unwrap_or(first)),
        (None, Some(fate)) if !is_there(first) => (1, fate, first),
        _ => return Ok(Meant::Words(args)),
    };
    match fate {
        Same(own) => {
            let mut args = args;
            args.splice(1 + root..1 + root + words, own.iter().map(OsString::from));
            Ok(Meant::Words(args))
        }
        Nothing(why) => Ok(Meant::Nothing(why)),
        Refused(text) => Err(Failure::usage(format!("rbuild has no `{verb}`")).hint(text)),
    }
}

#[expect(clippy::disallowed_methods, reason = "the caller names this path")]
fn is_there(word: &str) -> bool {
    Path::new(word).exists()
}

#[cfg(test)]
mod tests;
