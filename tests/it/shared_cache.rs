//! Caches that machines share. A machine here is a store of its own, in a scratch directory of its own.

use crate::harness::TestEnv;
use crate::harness::steps::{Built, building, finish};
use std::path::{Path, PathBuf};

mod directory;
mod http;
mod lies;
mod registry;

/// Something that no step writes twice: an image that has it from elsewhere is the image from elsewhere.
const NONCE: &str = "cat /proc/sys/kernel/random/uuid";

/// Two stages with all that a layer can have; seven steps.
fn dockerfile() -> String {
    format!(
        "FROM busybox:local AS build\n\
         WORKDIR /w\n\
         COPY src ./src/\n\
         RUN cat src/a > out && {NONCE} >> out && ln out hard && ln -s out soft && mkdir -m 700 d && mkfifo d/p && touch -d @1 old\n\
         RUN rm -rf d && mkdir d && {NONCE} > d/new && rm old\n\
         FROM busybox:local\n\
         COPY --from=build /w /w\n\
         COPY other /other\n\
         RUN {NONCE} > /last\n"
    )
}

/// The sources as somebody checked them out.
fn checkout(env: &TestEnv, name: &str) -> PathBuf {
    let dir = env.context(name, &[("src/a", "a\n"), ("src/deep/b", "b\n"), ("other", "o\n")]);
    env.write(dir.join("Dockerfile"), dockerfile());
    dir
}

fn to(cache: &Path) -> String {
    format!("type=local,dest={}", cache.display())
}

fn from(cache: &Path) -> String {
    format!("type=local,src={}", cache.display())
}

/// A build that sends what it makes.
#[track_caller]
fn sending(env: &TestEnv, context: &Path, cache: &Path) -> Built {
    finish(env, building(env, context).args(["--cache-to", &to(cache)]))
}

/// A build that looks elsewhere.
#[track_caller]
fn looking(env: &TestEnv, context: &Path, cache: &Path) -> Built {
    finish(env, building(env, context).args(["--cache-from", &from(cache)]))
}

/// How often a build warned of its caches.
fn warnings(built: &Built) -> usize {
    built.outcome.err().matches("warning: the cache").count()
}

/// The names of the files in a folder.
fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}
