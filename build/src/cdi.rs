//! Devices of the host, as files of the Container Device Interface (CDI) describe them: which there are, which one a
//! name means, and what it adds to a step. Whether a step may have it is [`crate::request::Entitlements`]'s.
//!
//! <https://github.com/cncf-tags/container-device-interface/blob/main/SPEC.md>

mod edits;
mod name;
mod spec;
mod yaml;

pub use edits::{DeviceNode, Edits, HostMount, Unsupported};

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;

/// Where specs are looked for unless told; a later directory goes before an earlier one.
pub const DEFAULT_DIRECTORIES: [&str; 2] = ["/etc/cdi", "/var/run/cdi"];

/// Another name for a device, given by whoever wrote the spec.
const ALTERNATIVE_NAME: &str = "org.mobyproject.buildkit.device.class";
/// "true": every build may use the device.
const AUTO_ALLOW: &str = "org.mobyproject.buildkit.device.autoallow";

/// The devices of a host, read when the first one is asked for.
pub struct Registry {
    directories: Vec<PathBuf>,
    found: OnceCell<Found>,
}

#[derive(Default)]
struct Found {
    devices: BTreeMap<String, Device>,
    faults: Vec<String>,
}

/// One device.
#[derive(Debug)]
pub struct Device {
    /// `vendor.com/class=name`.
    pub name: String,
    file: PathBuf,
    annotations: BTreeMap<String, String>,
    own: spec::ContainerEdits,
    /// Of the whole file, for each of its devices.
    common: Rc<spec::ContainerEdits>,
}

impl Device {
    /// Whether the spec's author allows it to every build.
    #[must_use]
    pub fn is_auto_allowed(&self) -> bool {
        self.annotations
            .get(AUTO_ALLOW)
            .is_some_and(|value| value == "true")
    }

    fn kind(&self) -> &str {
        name::split(&self.name).0
    }
}

impl Registry {
    /// The devices that these directories describe; [`DEFAULT_DIRECTORIES`] when there is none.
    #[must_use]
    pub fn new(directories: &[PathBuf]) -> Self {
        let directories = match directories {
            [] => DEFAULT_DIRECTORIES.map(PathBuf::from).to_vec(),
            given => given.to_vec(),
        };
        Self {
            directories,
            found: OnceCell::new(),
        }
    }

    /// The devices that a name means: `kind=name` that one, or those with that alternative name; `kind` the first of
    /// its kind; `kind=*` all of them. None when there is no such device here.
    ///
    /// # Errors
    /// It is not the name of a device, in words.
    pub fn find(&self, wanted: &str) -> Result<Vec<&Device>, String> {
        name::check(wanted)?;
        let devices = &self.found().devices;
        let (kind, name) = name::split(wanted);
        let mut of_kind = devices.values().filter(|device| device.kind() == kind);
        Ok(match name {
            None => of_kind.next().into_iter().collect(),
            Some("*") => of_kind.collect(),
            Some(name) => match devices.get(wanted) {
                Some(device) => vec![device],
                None => of_kind
                    .filter(|device| {
                        device
                            .annotations
                            .get(ALTERNATIVE_NAME)
                            .is_some_and(|other| other == name)
                    })
                    .collect(),
            },
        })
    }

    /// The names of all devices, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.found().devices.keys().map(String::as_str)
    }

    /// Where was looked.
    #[must_use]
    pub fn directories(&self) -> &[PathBuf] {
        &self.directories
    }

    /// What is wrong with files that were found there, a line each.
    #[must_use]
    pub fn faults(&self) -> &[String] {
        &self.found().faults
    }

    fn found(&self) -> &Found {
        self.found.get_or_init(|| {
            let mut found = Found::default();
            for directory in &self.directories {
                found.read_directory(directory);
            }
            found
        })
    }
}

impl Found {
    /// Adds the devices of a directory. They replace those of the same name from directories before; two of the same
    /// name in one directory are both dropped, since nothing says which one is meant.
    #[expect(clippy::disallowed_methods, reason = "the host's own specs")]
    fn read_directory(&mut self, directory: &Path) {
        let mut files: Vec<PathBuf> = match std::fs::read_dir(directory) {
            Ok(entries) => entries.flatten().map(|entry| entry.path()).collect(),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return,
            Err(error) => return self.faults.push(format!("{}: {error}", directory.display())),
        };
        files.retain(|file| spec::Format::of(file).is_some());
        files.sort();
        let mut here: BTreeMap<String, Device> = BTreeMap::new();
        let mut twice = Vec::new();
        for file in files {
            let spec = match spec::read(&file) {
                Ok(spec) => spec,
                Err(why) => {
                    self.faults.push(format!("{}: {why}", file.display()));
                    continue;
                }
            };
            for device in devices_of(spec, &file) {
                if let Some(other) = here.get(&device.name) {
                    self.faults.push(format!(
                        "{} and {} both have a device `{}`",
                        other.file.display(),
                        file.display(),
                        device.name
                    ));
                    twice.push(device.name);
                } else {
                    here.insert(device.name.clone(), device);
                }
            }
        }
        for name in twice {
            here.remove(&name);
            self.devices.remove(&name);
        }
        self.devices.extend(here);
    }
}

fn devices_of(spec: spec::Spec, file: &Path) -> impl Iterator<Item = Device> {
    let spec::Spec {
        kind,
        annotations,
        devices,
        container_edits,
        ..
    } = spec;
    let common = Rc::new(container_edits);
    devices.into_iter().map(move |device| {
        let mut annotations = annotations.clone();
        annotations.extend(device.annotations);
        Device {
            name: format!("{kind}={}", device.name),
            file: file.to_owned(),
            annotations,
            own: device.container_edits,
            common: Rc::clone(&common),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn registry(files: &[(&str, &str)]) -> (tempfile::TempDir, Registry) {
        let place = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = place.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let registry = Registry::new(&[place.path().join("first"), place.path().join("second")]);
        (place, registry)
    }

    fn spec(kind: &str, names: &[&str]) -> String {
        let devices: Vec<_> = names
            .iter()
            .map(|name| serde_json::json!({ "name": name, "containerEdits": { "env": [format!("D={name}")] } }))
            .collect();
        serde_json::json!({ "cdiVersion": "0.6.0", "kind": kind, "devices": devices }).to_string()
    }

    fn names(found: Result<Vec<&Device>, String>) -> Vec<String> {
        found.unwrap().iter().map(|device| device.name.clone()).collect()
    }

    #[test]
    fn a_name_is_one_a_kind_the_first_a_star_all() {
        let alternative = r#"
cdiVersion: "0.6.0"
kind: other.org/disk
devices:
- name: a
  annotations: { org.mobyproject.buildkit.device.class: fast }
  containerEdits: { env: [A=1] }
- name: b
  annotations: { org.mobyproject.buildkit.device.class: fast, org.mobyproject.buildkit.device.autoallow: "true" }
  containerEdits: {}
"#;
        let (_place, registry) = registry(&[
            ("first/gpu.json", &spec("vendor.com/gpu", &["1", "0"])),
            ("first/disk.yaml", alternative),
            ("first/notes.txt", "not a spec"),
        ]);
        assert_eq!(registry.faults(), [""; 0]);
        assert_eq!(names(registry.find("vendor.com/gpu=1")), ["vendor.com/gpu=1"]);
        assert_eq!(names(registry.find("vendor.com/gpu")), ["vendor.com/gpu=0"]);
        assert_eq!(
            names(registry.find("vendor.com/gpu=*")),
            ["vendor.com/gpu=0", "vendor.com/gpu=1"]
        );
        assert_eq!(
            names(registry.find("other.org/disk=fast")),
            ["other.org/disk=a", "other.org/disk=b"]
        );
        let auto: Vec<bool> = registry
            .find("other.org/disk=*")
            .unwrap()
            .iter()
            .map(|device| device.is_auto_allowed())
            .collect();
        assert_eq!(auto, [false, true]);
        assert_eq!(names(registry.find("vendor.com/gp=0")), [""; 0]);
        for wrong in [
            "gpu",
            "vendor.com/gpu=",
            "/gpu=0",
            "vendor.com/=0",
            "a/b/c=0",
            "a/b=-",
        ] {
            assert!(registry.find(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_later_directory_goes_first_and_twins_are_dropped() {
        let (_place, registry) = registry(&[
            ("first/a.json", &spec("v.com/c", &["x", "y"])),
            (
                "second/a.json",
                &spec("v.com/c", &["x"]).replace("D=x", "D=later"),
            ),
            ("second/b.json", &spec("v.com/c", &["y"])),
            ("second/c.json", &spec("v.com/c", &["y"])),
        ]);
        let found = registry.find("v.com/c=x").unwrap();
        let edits = Edits::of(&found).unwrap();
        assert_eq!(edits.env, [("D".to_owned(), "later".to_owned())]);
        assert_eq!(names(registry.find("v.com/c=y")), [""; 0]);
        assert!(
            registry.faults()[0].contains("both have a device `v.com/c=y`"),
            "{:?}",
            registry.faults()
        );
    }

    #[test]
    fn a_file_that_is_wrong_is_told_and_does_not_hide_others() {
        let (_place, registry) = registry(&[
            ("first/a.json", "{"),
            ("first/b.yaml", "kind: [unclosed"),
            ("first/c.json", &spec("v.com/c", &["x"]).replace("kind", "knd")),
            ("first/d.json", &spec("v.com/c", &["x"])),
            ("first/e.json", &spec("no-vendor", &["x"])),
            ("first/f.json", &spec("v.com/c", &[])),
        ]);
        assert_eq!(names(registry.find("v.com/c")), ["v.com/c=x"]);
        let faults = registry.faults();
        assert_eq!(faults.len(), 5, "{faults:?}");
        for (fault, word) in faults
            .iter()
            .zip(["a.json", "b.yaml", "`knd`", "no-vendor", "no devices"])
        {
            assert!(fault.contains(word), "no {word} in {fault}");
        }
    }
}
