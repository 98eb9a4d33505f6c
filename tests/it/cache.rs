//! What is in a cache key and what is not: each attribute is changed alone, and the steps that ran are compared.

use crate::harness::TestEnv;
use crate::harness::steps::{build, building, hits};
use std::fs;

mod everywhere;
mod of_copies;
mod of_runs;

/// Something that no step writes twice.
const NONCE: &str = "RUN cat /proc/sys/kernel/random/uuid > /nonce";

#[test]
fn a_failed_step_is_not_cached_and_what_came_before_is() {
    let env = TestEnv::new();
    let context = env.context("context", &[("ok", "")]);
    let text = format!(
        "FROM busybox:local\n{NONCE}\nRUN --mount=type=cache,target=/c --mount=type=bind,source=ok,target=/ok \
         echo try >> /c/tries; grep -q yes /ok && cp /c/tries /tries\nRUN echo last\n"
    );
    fs::write(context.join("Dockerfile"), text).unwrap();
    let failed = building(&env, &context).run().exits(1).no_panic();
    assert!(hits(&failed).starts_with("mf"), "{failed}");
    let failed = building(&env, &context).run().exits(1).no_panic();
    assert!(hits(&failed).starts_with("hf"), "{failed}");
    fs::write(context.join("ok"), "yes").unwrap();
    let out = env.path("out");
    let spec = format!("type=local,dest={}", out.display());
    assert_eq!(build(&env, &context, &["-o", &spec]).hits, "hmm");
    // The cache mount kept what the failed attempts wrote.
    assert_eq!(fs::read_to_string(out.join("tries")).unwrap(), "try\ntry\ntry\n");
}

/// Steps that come after a miss are looked up all the same: kaniko stops at the first.
#[test]
fn results_are_found_by_content() {
    let env = TestEnv::new();
    let context = env.context("context", &[("narrow", "n"), ("wide/a", "a"), ("note", "1")]);
    let dockerfile = |first: &str| {
        let text = format!(
            "FROM busybox:local AS build\nCOPY note /note\nRUN {first}\nRUN mkdir /out && echo same > /out/f\n\
             FROM busybox:local\nCOPY narrow /narrow\n{NONCE}\nCOPY --from=build /out /out\nCOPY . /all\n{NONCE}\n"
        );
        fs::write(context.join("Dockerfile"), text).unwrap();
    };
    dockerfile("rm /note && echo result > /result");
    let first = build(&env, &context, &[]);
    assert_eq!(first.hits, "mmmmmmmm");

    // The command is another, its result is the same: what comes after it is found (early cutoff). The Dockerfile is
    // part of `COPY .`.
    // The last stage is shown before the one that it copies from: narrow, nonce, three of `build`, then the rest.
    dockerfile("rm /note;  echo result > /result # the same");
    assert_eq!(build(&env, &context, &[]).hits, "hhhmhhmm");

    // The stage runs anew on another input (content is that of all layers, also of what a later one hides), and what is
    // copied from it is what it was.
    fs::write(context.join("note"), "2").unwrap();
    fs::write(
        context.join(".dockerignore"),
        "Dockerfile\n.dockerignore\nnote2\n",
    )
    .unwrap();
    assert_eq!(build(&env, &context, &[]).hits, "hhmmmhmm");

    // Only what the wide copy takes has changed.
    fs::write(context.join("wide/a"), "b").unwrap();
    assert_eq!(build(&env, &context, &[]).hits, "hhhhhhmm");
    fs::write(context.join("narrow"), "N").unwrap();
    assert_eq!(build(&env, &context, &[]).hits, "mmhhhmmm");
}

#[test]
fn no_cache_runs_again_and_its_result_is_kept() {
    let env = TestEnv::new();
    let text = format!(
        "FROM busybox:local AS one\n{NONCE}\nFROM busybox:local AS two\nCOPY --from=one /nonce /one\n{NONCE}\n"
    );
    let context = env.context("context", &[("Dockerfile", &text)]);
    let first = build(&env, &context, &[]);
    assert_eq!(build(&env, &context, &[]).image, first.image);

    let forced = build(&env, &context, &["--no-cache"]);
    assert_eq!(forced.hits, "mmm");
    assert_ne!(forced.image, first.image);
    let after = build(&env, &context, &[]);
    assert_eq!((after.hits.as_str(), &after.image), ("hhh", &forced.image));

    let filtered = build(&env, &context, &["--no-cache-filter", "two"]);
    assert_eq!(filtered.hits, "hmm");
    assert_ne!(filtered.image, forced.image);
    // The stage before runs, and so do those who copy from it, because it made something else.
    assert_eq!(build(&env, &context, &["--no-cache-filter", "one"]).hits, "mmm");
    assert_eq!(
        build(&env, &context, &["--no-cache-filter="]).hits,
        "mmm",
        "empty is all"
    );
    building(&env, &context)
        .args(["--no-cache-filter", "tow"])
        .run()
        .exits(125)
        .says("two")
        .no_panic();
}
