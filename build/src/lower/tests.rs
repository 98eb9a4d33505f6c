//! Lowering without a store, a registry or a host: every base is an image of which its name and platform are known.

use super::*;
use crate::ops::Planned;
use crate::ops::spec::StepSpec;
use crate::sources::Offline;
use std::cell::RefCell;

/// What a test changes of the input.
#[derive(Default)]
struct Given {
    target: Option<&'static str>,
    build_args: Vec<(&'static str, &'static str)>,
}

/// Calls `with` with what `text` is lowered with.
fn with_input<T>(text: &str, given: &Given, with: impl FnOnce(&LowerInput<'_>) -> T) -> T {
    let parsed = dockerfile_parser::parse(text);
    assert!(!parsed.has_errors(), "{:?}", parsed.diagnostics);
    let dir = tempfile::tempdir().unwrap();
    let images = Offline::new(None);
    let args = given.build_args.iter();
    let input = LowerInput {
        dockerfile: &parsed.dockerfile,
        context: Arc::new(BuildContext::open(dir.path()).unwrap()),
        named: BTreeMap::new(),
        build_args: BuildArgs::new(
            args.map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
        ),
        redact_args: false,
        target: given.target,
        every_stage: false,
        build_platform: amd64(),
        images: &images,
        network: ExecNetwork::Default,
        entitlements: &Entitlements::default(),
        given: None,
        devices: &Registry::new(&[dir.path().to_owned()]),
        add_hosts: Vec::new(),
        no_new_privs: false,
        shm_size: None,
        no_cache: &|_, _| false,
    };
    with(&input)
}

fn amd64() -> Platform {
    Platform::new("linux", "amd64", "")
}

fn arm64() -> Platform {
    Platform::new("linux", "arm64", "")
}

fn planned(text: &str, given: &Given) -> Result<Lowered<Planned>, Vec<String>> {
    with_input(text, given, |input| {
        lower(input, &[amd64()], &Planned).map_err(|failure| {
            failure
                .findings
                .into_iter()
                .map(|finding| finding.message())
                .collect()
        })
    })
}

fn titles(lowered: &Lowered<Planned>) -> Vec<String> {
    let order = lowered.graph.order(&[lowered.targets[0].vertex]);
    order
        .into_iter()
        .map(|vertex| lowered.graph.op(vertex).0.title.clone())
        .collect()
}

/// The steps of a file that is planned for two platforms: title and platform, in the order in which they were added.
fn for_both(text: &str) -> Vec<(String, String)> {
    with_input(text, &Given::default(), |input| {
        let steps = RefCell::new(BTreeMap::new());
        let mut lowering = Lowering::new(input, &Planned);
        let targets = [amd64(), arm64()].map(|platform| lowering.target(&platform).unwrap());
        for vertex in lowering.graph.order(&targets.map(|target| target.vertex)) {
            let step = &lowering.graph.op(vertex).0;
            // So many steps would have had this title.
            let words = step.words().trim_end_matches(" (2)").to_owned();
            let shown = (words, step.id.platform.architecture.clone());
            let before = steps.borrow_mut().insert(step.id.clone(), shown);
            assert!(before.is_none(), "{:?} are two", step.id);
        }
        let mut shown: Vec<_> = steps.into_inner().into_values().collect();
        shown.sort();
        shown
    })
}

fn pairs(of: &[(&str, &str)]) -> Vec<(String, String)> {
    of.iter()
        .map(|(words, platform)| ((*words).to_owned(), (*platform).to_owned()))
        .collect()
}

#[test]
fn steps_on_the_build_platform_are_one_for_all_platforms() {
    let text = "FROM --platform=$BUILDPLATFORM tools AS build\n\
                RUN prepare\n\
                FROM base\n\
                COPY --from=build /out /out\n\
                RUN finish\n";
    assert_eq!(
        for_both(text),
        pairs(&[
            ("COPY --from=build /out /out", "amd64"),
            ("COPY --from=build /out /out", "arm64"),
            ("FROM base", "amd64"),
            ("FROM base", "arm64"),
            ("FROM tools", "amd64"),
            ("RUN finish", "amd64"),
            ("RUN finish", "arm64"),
            ("RUN prepare", "amd64"),
        ])
    );
}

#[test]
fn a_step_that_asks_for_the_target_is_one_for_each() {
    let text = "FROM --platform=$BUILDPLATFORM tools\n\
                RUN prepare\n\
                ARG TARGETARCH\n\
                RUN compile for $TARGETARCH\n";
    let steps = for_both(text);
    let count = |words: &str| steps.iter().filter(|(step, _)| step == words).count();
    assert_eq!(count("FROM tools"), 1);
    assert_eq!(count("RUN prepare"), 1);
    assert_eq!(count("RUN compile for $TARGETARCH"), 2);
}

#[test]
fn only_what_the_target_needs_is_planned() {
    let text = "FROM a AS one\nRUN one\nFROM b AS two\nRUN two\nFROM one\nCOPY --from=two /x /y\n";
    let lowered = planned(text, &Given::default()).unwrap();
    assert_eq!(
        titles(&lowered),
        [
            "[one 1/2] FROM a",
            "[one 2/2] RUN one",
            "[two 1/2] FROM b",
            "[two 2/2] RUN two",
            "[stage-2 2/2] COPY --from=two /x /y",
        ]
    );
    let given = Given {
        target: Some("two"),
        ..Given::default()
    };
    let lowered = planned(text, &given).unwrap();
    assert_eq!(titles(&lowered), ["[two 1/2] FROM b", "[two 2/2] RUN two"]);
}

#[test]
fn metadata_is_folded_into_the_config_and_into_no_step() {
    let text = "FROM scratch\nARG V=1\nENV A=$V B=b\nLABEL l=$A\nEXPOSE 80\nUSER me\nCMD [\"x\"]\n";
    let given = Given {
        build_args: vec![("V", "2"), ("W", "3")],
        ..Given::default()
    };
    let lowered = planned(text, &given).unwrap();
    assert_eq!(titles(&lowered), ["[1/1] FROM scratch"]);
    let config = &lowered.targets[0].config.config;
    assert!(config.env.contains(&"A=2".to_owned()), "{:?}", config.env);
    assert_eq!(config.labels.get("l").map(String::as_str), Some("2"));
    assert_eq!(config.user, "me");
    assert_eq!(config.cmd.as_deref(), Some(&["x".to_owned()][..]));
    assert_eq!(lowered.targets[0].history.len(), 6);
    assert_eq!(lowered.unconsumed, ["W"]);
}

#[test]
fn a_run_stands_on_its_stage_and_on_what_it_mounts() {
    let text = "FROM a AS tools\nFROM b\nWORKDIR /w\nRUN --mount=from=tools,target=/t use\n";
    let lowered = planned(text, &Given::default()).unwrap();
    let inputs = lowered.graph.inputs(lowered.targets[0].vertex);
    let kinds: Vec<&str> = inputs
        .iter()
        .map(|input| lowered.graph.op(*input).0.words())
        .collect();
    assert_eq!(kinds, ["WORKDIR /w", "FROM a"]);
    let StepSpec::Exec(spec) = &lowered.graph.op(lowered.targets[0].vertex).0.spec else {
        panic!("a RUN is a command");
    };
    assert_eq!((spec.cwd.as_str(), spec.mounts.len()), ("/w", 1));
}

#[test]
fn a_target_that_is_not_there_is_named() {
    let given = Given {
        target: Some("nowhere"),
        ..Given::default()
    };
    let errors = planned("FROM x AS a\n", &given).err().unwrap();
    assert_eq!(errors, ["there is no stage `nowhere` to build (--target)"]);
}
