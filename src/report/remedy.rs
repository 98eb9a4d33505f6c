//! What the user can do about a full disk, a damaged store, ids that are not there and a limit that is reached, whatever
//! met it.

use super::host::more;
use rbuild_layer::LayerError;
use rbuild_layer::listing::ListingError;
use rbuild_layer::tree::TreeError;
use rbuild_sandbox::{EnterError, Phase, Shortage, SpawnError};
use rbuild_store::StoreError;
use rbuild_store::image::ImageError;
use rbuild_store::snapshot::SnapshotError;
use std::error::Error;
use std::io;

/// For a full disk.
const NO_SPACE: &str =
    "`rbuild prune` frees space in the store; --root or RBUILD_ROOT puts the store on another disk";
/// For a command that may have failed for it, which says little of that by itself.
pub(super) const DISK_FULL: &str = "the disk of the store is full: `rbuild prune` frees space in it; --root or \
                                    RBUILD_ROOT puts the store on another disk";
/// For a store with files that are not what they were.
const DAMAGED: &str =
    "`rbuild store check --repair` removes what is damaged, so that it is made or fetched again";
/// For owners that the user namespace does not map.
const NO_ID: &str = "a build has the ids of its user namespace, for an ordinary user those of /etc/subuid and \
                     /etc/subgid, and `rbuild doctor` says how many; `--chown` gives what is copied, or comes out of an \
                     archive, another owner";
/// For a network of a step's own that cannot be had.
const NO_CONNECTION: &str = "`--network none` is loopback alone, `--network host` the host's network; `rbuild doctor` says what is missing";
/// For an image whose layers are not all there.
const INCOMPLETE: &str = "build, pull or load the image again";

/// The hint for an error, its causes aside: errors that are another error in other clothes count as that one.
#[must_use]
pub(super) fn remedy(error: &(dyn Error + 'static)) -> Option<&'static str> {
    if let Some(error) = error.downcast_ref::<SpawnError>() {
        return match error.phase {
            Phase::Connection => Some(NO_CONNECTION),
            _ => error.shortage().map(more),
        };
    }
    if let Some(error) = error.downcast_ref::<EnterError>() {
        return error.shortage().map(more);
    }
    if let Some(error) = error.downcast_ref::<io::Error>() {
        if let Some(short) = error.raw_os_error().and_then(of_attempt) {
            return Some(short);
        }
        return match (error.kind(), error.get_ref()) {
            (io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded, _) => Some(NO_SPACE),
            (_, Some(inner)) => remedy(inner),
            _ => None,
        };
    }
    if let Some(error) = error.downcast_ref::<StoreError>() {
        return of_store(error);
    }
    if let Some(error) = error.downcast_ref::<SnapshotError>() {
        return of_snapshot(error);
    }
    if let Some(error) = error.downcast_ref::<LayerError>() {
        return match error {
            LayerError::Access(error) => remedy(error),
            LayerError::Listing(error) => remedy(error),
            LayerError::Tree(error) => remedy(error),
            LayerError::Content { source, .. } | LayerError::Host { source, .. } => remedy(source),
            LayerError::Output(source) => remedy(source),
            LayerError::Owner { .. } if error.is_unmapped_owner() => Some(NO_ID),
            _ => None,
        };
    }
    if let Some(error) = error.downcast_ref::<TreeError>() {
        return match error {
            TreeError::Listing(error) => remedy(error),
            TreeError::Access(error) => remedy(error),
            _ => None,
        };
    }
    if let Some(error) = error.downcast_ref::<ListingError>() {
        return match error {
            ListingError::Damaged { .. } | ListingError::Format { .. } => Some(DAMAGED),
            ListingError::Io { source, .. } => remedy(source),
            ListingError::Invalid { .. } => None,
        };
    }
    if let Some(ImageError::Store(error)) = error.downcast_ref::<ImageError>() {
        return remedy(error);
    }
    match error.downcast_ref::<rbuild_rootdir::Error>()?.errno {
        rbuild_rootdir::Errno::NOSPC | rbuild_rootdir::Errno::DQUOT => Some(NO_SPACE),
        errno => of_attempt(errno.raw_os_error()),
    }
}

fn of_store(error: &StoreError) -> Option<&'static str> {
    match error {
        StoreError::Io { source, .. } => remedy(source),
        StoreError::NoSpace { .. } => Some(NO_SPACE),
        StoreError::Corrupt { .. } => Some(DAMAGED),
        StoreError::MissingBlob { .. } => Some(INCOMPLETE),
        // One that is in the store, not one that was about to come in.
        StoreError::DigestMismatch { what, .. } | StoreError::SizeMismatch { what, .. }
            if what.starts_with("blob `/") =>
        {
            Some(DAMAGED)
        }
        _ => None,
    }
}

fn of_snapshot(error: &SnapshotError) -> Option<&'static str> {
    match error {
        SnapshotError::Record { .. } | SnapshotError::Damaged { .. } => Some(DAMAGED),
        SnapshotError::Layer(error) => remedy(error),
        SnapshotError::Store(error) => remedy(error),
        SnapshotError::Listing(error) => remedy(error),
        SnapshotError::Tree(error) => remedy(error),
        SnapshotError::Access(error) => remedy(error),
        SnapshotError::Io { source, .. } => remedy(source),
    }
}

/// Of attempts that start nothing.
fn of_attempt(errno: i32) -> Option<&'static str> {
    let shortage = Shortage::of(errno).filter(|shortage| *shortage != Shortage::Processes);
    shortage.map(more)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_known_in_any_clothes() {
        let full = || io::Error::from_raw_os_error(28);
        let content = LayerError::Content {
            operation: "write",
            path: b"big".to_vec(),
            source: full(),
        };
        assert_eq!(remedy(&SnapshotError::Layer(content)), Some(NO_SPACE));
        assert_eq!(
            remedy(&ImageError::Store(StoreError::from_io(
                "write",
                "/s".as_ref(),
                full()
            ))),
            Some(NO_SPACE)
        );
        let access = rbuild_rootdir::Error::new("mkdir", b"a", rbuild_rootdir::Errno::NOSPC);
        assert_eq!(remedy(&TreeError::Access(access)), Some(NO_SPACE));
        assert_eq!(remedy(&io::Error::from_raw_os_error(13)), None);
    }

    #[test]
    fn a_limit_is_known_in_any_clothes() {
        let open = |error: Option<&str>| error.unwrap().contains("ulimit -n");
        assert!(open(remedy(&io::Error::from_raw_os_error(24))));
        assert!(open(remedy(&StoreError::from_io(
            "open",
            "/s".as_ref(),
            io::Error::from_raw_os_error(24)
        ))));
        assert_eq!(
            remedy(&io::Error::from_raw_os_error(11)),
            None,
            "nothing was started"
        );
        let access = rbuild_rootdir::Error::new("open", b"a", rbuild_rootdir::Errno::MFILE);
        assert!(open(remedy(&LayerError::Access(access))));
    }

    #[test]
    fn only_what_is_in_the_store_is_repaired() {
        let mismatch = |what: &str| StoreError::DigestMismatch {
            what: what.to_owned(),
            expected: "a".to_owned(),
            actual: "b".to_owned(),
        };
        assert_eq!(
            remedy(&io::Error::other(mismatch("blob `/store/blobs/x`"))),
            Some(DAMAGED)
        );
        assert_eq!(remedy(&mismatch("layer 1 of app.tar")), None);
    }
}
