//! What is found again, and what is forgotten.

use super::*;
use crate::filesystem::Need;
use std::io::Write;

fn store() -> (tempfile::TempDir, Store) {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), "boot", Need::Writing).unwrap();
    (dir, store)
}

fn record(context: &str, target: Option<&str>) -> BuildRecord {
    BuildRecord {
        version: 0,
        number: 0,
        subject: BuildSubject {
            context: context.into(),
            dockerfile: "/ctx/Dockerfile".into(),
            target: target.map(str::to_owned),
        },
        started: 1_700_000_000,
        millis: 7,
        image: None,
        error: Some("step 1 failed".into()),
        steps: vec![BuildStep {
            name: "[2/3] RUN false".into(),
            place: Some(StepPlace {
                platform: "linux/amd64".into(),
                stage: "0".into(),
                ordinal: 2,
                of: 3,
                words_at: 6,
            }),
            line: Some(3),
            key: None,
            preimage: None,
            earlier: None,
            outcome: StepOutcome::Failed,
            millis: 5,
            used: Some(StepUse {
                memory_peak: 1 << 20,
                cpu_millis: 3,
                counted_by_group: false,
            }),
            miss: serde_json::json!({"field": "argv"}),
            because: Vec::new(),
            is_image: false,
            log: Some("0.log".into()),
        }],
    }
}

#[test]
fn the_latest_of_each_subject_is_found() {
    let (_dir, store) = store();
    for subject in [
        record("/a", None),
        record("/b", None),
        record("/a", Some("x")),
        record("/a", None),
    ] {
        store.builds().start().unwrap().finish(subject).unwrap();
    }
    assert_eq!(store.builds().numbers().unwrap(), [1, 2, 3, 4]);
    let latest = |subject: BuildRecord| store.builds().latest(&subject.subject).unwrap().unwrap();
    assert_eq!(latest(record("/a", None)).number, 4);
    assert_eq!(latest(record("/a", Some("x"))).number, 3);
    assert_eq!(latest(record("/b", None)).steps, record("/b", None).steps);
    assert_eq!(store.builds().latest(&record("/c", None).subject).unwrap(), None);
}

#[test]
fn numbers_are_never_given_twice() {
    let (_dir, store) = store();
    let mut all: Vec<u64> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|_| {
                let store = store.clone();
                scope.spawn(move || -> Vec<u64> {
                    (0..10)
                        .map(|_| store.builds().start().unwrap().number())
                        .collect()
                })
            })
            .collect();
        threads
            .into_iter()
            .flat_map(|thread| thread.join().unwrap())
            .collect()
    });
    all.sort_unstable();
    assert_eq!(all, (1..=80).collect::<Vec<_>>());
    std::fs::write(store.path("builds/last"), "").unwrap();
    store
        .builds()
        .start()
        .unwrap()
        .finish(record("/a", None))
        .unwrap();
}

#[test]
fn a_lost_counter_continues_after_the_highest() {
    let (_dir, store) = store();
    for _ in 0..3 {
        store
            .builds()
            .start()
            .unwrap()
            .finish(record("/a", None))
            .unwrap();
    }
    std::fs::write(store.path("builds/last"), "").unwrap();
    assert_eq!(store.builds().start().unwrap().number(), 4);
}

#[test]
fn the_oldest_go_first_and_the_newest_stays() {
    let (_dir, store) = store();
    for _ in 0..5 {
        let log = store.builds().start().unwrap();
        let (name, mut file) = log.step_log(0).unwrap();
        assert_eq!(name, "0.log");
        file.write_all(&[b'x'; 100]).unwrap();
        log.finish(record("/a", None)).unwrap();
    }
    assert_eq!(store.builds().retain(4, 1000).unwrap(), 1);
    assert_eq!(store.builds().numbers().unwrap(), [2, 3, 4, 5]);
    assert!(!store.path("logs/1").exists());
    assert_eq!(store.builds().retain(4, 250).unwrap(), 2);
    assert_eq!(store.builds().numbers().unwrap(), [4, 5]);
    assert_eq!(store.builds().retain(0, 0).unwrap(), 1);
    assert_eq!(
        store
            .builds()
            .latest(&record("/a", None).subject)
            .unwrap()
            .unwrap()
            .number,
        5
    );
}

#[test]
fn a_log_name_cannot_lead_elsewhere() {
    let (_dir, store) = store();
    for bad in ["", ".", "..", "../../version", "a/b", "/etc/passwd"] {
        assert_eq!(store.builds().log_path(1, bad), None, "{bad}");
    }
    assert!(
        store
            .builds()
            .log_path(1, "0.log")
            .unwrap()
            .ends_with("logs/1/0.log")
    );
}

#[test]
fn a_build_that_was_made_again_is_noted_beside_its_record() {
    let (_dir, store) = store();
    let builds = store.builds();
    let subject = record("/a", None).subject;
    let again = |started: u64| Again {
        started,
        millis: 2,
        image: "sha256:ab".to_owned(),
    };
    assert!(
        builds.again(&subject, &again(1)).is_err(),
        "there is nothing to note it beside"
    );
    builds.start().unwrap().finish(record("/a", None)).unwrap();
    let latest = || builds.all_latest().unwrap();
    let expected = |again: Option<Again>| [Latest { number: 1, again }];
    assert_eq!(latest(), expected(None));
    // It stays short however often that is.
    for started in 1..500 {
        builds.again(&subject, &again(started)).unwrap();
        assert_eq!(latest(), expected(Some(again(started))));
    }
    let pointer = list_dir(&store.path("builds/latest")).unwrap().remove(0);
    let pointer = store.path("builds/latest").join(pointer);
    let length = std::fs::metadata(&pointer).unwrap().len();
    assert!(length < 5000, "{length}");
    assert_eq!(builds.latest(&subject).unwrap().unwrap().number, 1);
    // A line that was cut off, or is none, counts for nothing.
    let mut file = OpenOptions::new().append(true).open(&pointer).unwrap();
    file.write_all(b"what is this\n700 3 sha2").unwrap();
    assert_eq!(latest(), expected(Some(again(499))));
    // What runs something begins anew.
    builds.start().unwrap().finish(record("/a", None)).unwrap();
    assert_eq!(
        latest(),
        [Latest {
            number: 2,
            again: None
        }]
    );
}
