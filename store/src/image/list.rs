//! [`ImageList`]: what a name means that stands for several images, one for each platform.

use std::collections::BTreeMap;

use rbuild_oci::{Digest, ImagePlatform};
use serde::{Deserialize, Serialize};

/// The images of a name, as an index lists them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageList {
    /// One for each platform, in the order of the index.
    pub images: Vec<ListedImage>,
    /// Annotations of the index.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

/// One image of a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListedImage {
    /// The image id.
    pub image: Digest,
    /// What the list says that it is for.
    pub platform: ImagePlatform,
    /// Annotations of its entry.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

impl ImageList {
    /// The image for a machine, the nearest one where several would do.
    pub fn choose(&self, wanted: &ImagePlatform) -> Option<&ListedImage> {
        let fitting = self.images.iter().filter_map(|listed| {
            let distance = wanted.distance(&listed.platform)?;
            Some((distance, listed))
        });
        // `min_by_key` gives the first of several.
        fitting
            .min_by_key(|(distance, _)| *distance)
            .map(|(_, listed)| listed)
    }

    /// The image that stands for all: the one for a machine, else the first.
    pub fn main(&self, machine: &ImagePlatform) -> Option<&ListedImage> {
        self.choose(machine).or_else(|| self.images.first())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(architecture: &str, variant: Option<&str>) -> ListedImage {
        ListedImage {
            image: Digest::of(format!("{architecture}{variant:?}").as_bytes()),
            platform: ImagePlatform::new("linux", architecture, variant),
            annotations: BTreeMap::new(),
        }
    }

    #[test]
    fn the_nearest_platform_is_chosen() {
        let (six, seven, amd) = (
            listed("arm", Some("v6")),
            listed("arm", Some("v7")),
            listed("amd64", None),
        );
        let list = ImageList {
            images: vec![six.clone(), amd.clone(), seven.clone()],
            ..ImageList::default()
        };
        let wanted = |variant: Option<&str>| ImagePlatform::new("linux", "arm", variant);
        assert_eq!(list.choose(&wanted(None)), Some(&seven));
        assert_eq!(list.choose(&wanted(Some("v6"))), Some(&six));
        let other = ImagePlatform::new("linux", "s390x", None);
        assert_eq!(list.choose(&other), None);
        assert_eq!(list.main(&other), Some(&six));
        assert_eq!(list.main(&ImagePlatform::new("linux", "amd64", None)), Some(&amd));
        assert_eq!(ImageList::default().main(&other), None);
    }
}
