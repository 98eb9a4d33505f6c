//! Base images without a registry: what is remembered, and which name means what.

use super::found_images::FoundImages;
use super::*;
use crate::sources::ResolveImage;
use std::cell::Cell;
use std::sync::Arc;

fn platform(architecture: &str, variant: &str) -> Platform {
    Platform::new("linux", architecture, variant)
}

fn image(name: &str, for_platform: &Platform) -> Arc<BaseImage> {
    let config = ImageConfig {
        os: for_platform.os.clone(),
        architecture: for_platform.architecture.clone(),
        variant: Some(for_platform.variant.clone()).filter(|variant| !variant.is_empty()),
        ..ImageConfig::default()
    };
    Arc::new(BaseImage::new(name.to_owned(), Origin::Unknown, config))
}

#[test]
fn an_image_is_looked_for_once_for_each_platform() {
    let found = FoundImages::default();
    let asked = Cell::new(0);
    for architecture in ["amd64", "arm64", "amd64", "arm64"] {
        let wanted = platform(architecture, "");
        let find = || {
            asked.set(asked.get() + 1);
            Ok(image("base", &wanted))
        };
        let got = found.get_or_find("base", &wanted, find);
        assert_eq!(got.map_err(|error| error.to_string()).unwrap().platform(), wanted);
    }
    assert_eq!(asked.get(), 2);
}

#[test]
fn offline_every_name_is_an_image_of_which_nothing_is_known() {
    let offline = Offline::new(None);
    for name in ["one", "two", "one"] {
        let got = offline.image(name, &platform("amd64", ""));
        assert!(got.map_err(|error| error.to_string()).unwrap().is_unknown());
    }
    let wanted: Vec<String> = offline.unknown().iter().map(ToString::to_string).collect();
    assert_eq!(
        wanted,
        ["docker.io/library/one:latest", "docker.io/library/two:latest"]
    );
}

#[test]
fn an_image_fits_where_what_it_says_fits() {
    let fits = |has: &Platform, wanted: &Platform| image("x", has).matches(wanted);
    assert!(fits(&platform("amd64", ""), &platform("amd64", "")));
    assert!(!fits(&platform("amd64", ""), &platform("arm64", "")));
    assert!(!fits(&platform("arm", "v6"), &platform("arm", "v7")));
    // What says nothing can be used for anything.
    assert!(fits(&platform("", ""), &platform("arm64", "")));
}

#[test]
fn the_same_name_for_two_platforms_is_two_images() {
    let identity = |architecture: &str| {
        let mut fields = KeyHasher::new("image", 1);
        image("x", &platform(architecture, "")).identify(&mut fields);
        fields.finish_definition()
    };
    assert!(identity("amd64") == identity("amd64"));
    assert!(identity("amd64") != identity("arm64"));
}

#[test]
fn a_pin_is_the_whole_meaning_of_a_name() {
    let digest = format!("sha256:{}", "0".repeat(64));
    let pinned = Reference::parse(&format!("busybox:1.36@{digest}")).unwrap();
    assert_eq!(
        stored_name(&pinned),
        format!("docker.io/library/busybox@{digest}")
    );
    let named = Reference::parse("busybox:1.36").unwrap();
    assert_eq!(stored_name(&named), "docker.io/library/busybox:1.36");
}
