//! The verbs around a build: images and their names, archives, registries, the store, explanations.

mod archives;
mod explaining;
mod images;
mod keeping;
mod registries;

use crate::harness::{Base, Outcome, TestEnv};
use serde_json::Value;

const DOCKERFILE: &str = "FROM busybox:local\nCOPY greeting /greeting\nRUN echo more >> /greeting\nLABEL a=b\nCMD [\"cat\", \"/greeting\"]\n";

/// A store with the base, and `app` built on it.
fn with_app() -> TestEnv {
    let env = TestEnv::with(&[Base::Busybox]);
    let context = env.context("app", &[("Dockerfile", DOCKERFILE), ("greeting", "hello\n")]);
    env.build("app", context).success();
    env
}

#[track_caller]
fn json(outcome: Outcome) -> Value {
    serde_json::from_slice(&outcome.stdout).unwrap_or_else(|error| panic!("no JSON ({error}):\n{outcome}"))
}

#[track_caller]
fn inspect(env: &TestEnv, image: &str) -> Value {
    json(env.rbuild(["inspect", image]).run().success())[0].clone()
}

#[track_caller]
fn id(env: &TestEnv, image: &str) -> String {
    inspect(env, image)["Id"]
        .as_str()
        .expect("an image has an id")
        .to_owned()
}

/// `REPOSITORY:TAG` of each line of `rbuild images`.
#[track_caller]
fn names(env: &TestEnv) -> Vec<String> {
    let list = env.rbuild(["images"]).run().success();
    let rows = list.out().lines().skip(1).map(str::to_owned).collect::<Vec<_>>();
    rows.iter()
        .map(|row| row.split_whitespace().take(2).collect::<Vec<_>>().join(":"))
        .collect()
}
