//! Containers as directories: names, locks, and what a crash in between leaves.

use super::*;
use crate::testing::store;

fn id(digit: u8) -> ContainerId {
    ContainerId::from_random(&[digit; 32])
}

fn config(name: &str) -> String {
    format!(
        r#"{{"name":"{name}","image":{{"id":"{}"}}}}"#,
        Digest::of(b"image")
    )
}

fn create(store: &Store, digit: u8, name: &str) -> Result<ContainerDir, ContainerError> {
    store.containers().create(&id(digit), name, |dir| {
        std::fs::write(dir.join("config.json"), config(name)).unwrap();
        Ok(())
    })
}

#[test]
fn found_by_name_id_and_the_beginning_of_one() {
    let (_dir, store) = store();
    create(&store, 0xa1, "web").unwrap();
    create(&store, 0xa2, "a2db").unwrap();
    let found = |wanted: &str| {
        let found = store.containers().find(wanted);
        found
            .map(|dir| dir.id().clone())
            .map_err(|error| error.to_string())
    };
    assert_eq!(found("web"), Ok(id(0xa1)));
    assert_eq!(found(id(0xa1).as_str()), Ok(id(0xa1)));
    assert_eq!(found("a1a"), Ok(id(0xa1)));
    // A name counts before the beginning of an id.
    assert_eq!(found("a2db"), Ok(id(0xa2)));
    assert!(found("a").unwrap_err().contains("several"));
    for missing in ["b", "nobody", "../a1", "", "names"] {
        assert!(found(missing).unwrap_err().contains("no such"), "{missing}");
    }
}

#[test]
fn a_name_is_one_containers() {
    let (_dir, store) = store();
    create(&store, 1, "web").unwrap();
    let error = create(&store, 2, "web").unwrap_err();
    assert!(matches!(error, ContainerError::NameInUse { id: of, .. } if of == id(1)));
    assert_eq!(store.containers().ids().unwrap(), [id(1)]);
    let dir = store.containers().dir(&id(1));
    store.containers().remove(&dir, "web").unwrap();
    create(&store, 2, "web").unwrap();
}

#[test]
fn a_name_that_leads_nowhere_is_free() {
    let (_dir, store) = store();
    let dir = create(&store, 1, "web").unwrap();
    std::fs::rename(dir.path(), store.path("tmp/gone")).unwrap();
    create(&store, 2, "web").unwrap();
    assert_eq!(store.containers().find("web").unwrap().id(), &id(2));
}

#[test]
fn renamed() {
    let (_dir, store) = store();
    let dir = create(&store, 1, "old").unwrap();
    create(&store, 2, "other").unwrap();
    let containers = store.containers();
    let rewrite = |name: &'static str| {
        let path = dir.path().join("config.json");
        move || -> Result<(), ContainerError> {
            std::fs::write(path, config(name)).unwrap();
            Ok(())
        }
    };
    assert!(containers.rename(&dir, "old", "other", rewrite("other")).is_err());
    containers.rename(&dir, "old", "new", rewrite("new")).unwrap();
    assert_eq!(containers.find("new").unwrap().id(), &id(1));
    assert!(containers.find("old").is_err());
}

#[test]
fn who_looks_after_it_shows() {
    let (_dir, store) = store();
    let dir = create(&store, 1, "web").unwrap();
    assert!(!dir.is_alive().unwrap());
    let alive = dir.live().unwrap();
    assert!(dir.is_alive().unwrap() && dir.is_alive().unwrap());
    drop(alive);
    assert!(!dir.is_alive().unwrap());
    let change = dir.lock().unwrap().unwrap();
    assert!(dir.try_lock().unwrap().is_none());
    drop(change);
    assert!(dir.try_lock().unwrap().is_some());
}

#[test]
fn what_is_gone_is_not_made_again() {
    let (_dir, store) = store();
    let dir = create(&store, 1, "web").unwrap();
    store.containers().remove(&dir, "web").unwrap();
    assert!(dir.lock().unwrap().is_none());
    assert!(dir.write_unlocked("state.json", b"{}").is_err());
    assert!(!dir.exists());
    assert!(store.containers().find("web").is_err());
}

#[test]
fn names_as_podman_has_them() {
    for good in ["a", "web", "a1", "A.b-c_d", &"x".repeat(128)] {
        assert!(is_name(good), "{good}");
    }
    for bad in ["", ".a", "-a", "a/b", "a b", "ä1", &"x".repeat(129)] {
        assert!(!is_name(bad), "{bad}");
    }
}
