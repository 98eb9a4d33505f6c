//! Files of text that steer a build: Dockerfiles and ignore files.
//!
//! One that lies in a context is read as the context's files are: below its root, whatever links lead to, and only if it
//! is a regular file. A context may come from anybody, and what is wrong in such a file is shown. One that the caller
//! names, as with `-f`, may be anywhere and anything: a link, a pipe, `/dev/stdin`.

use super::BuildContext;
pub use crate::error::{MAX_SIZE, TextError};
use rbuild_rootdir::{Kind, LastLink};
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

impl BuildContext {
    /// A file of text at a path of the context; nothing where there is no such name. Links are followed inside.
    ///
    /// # Errors
    /// It is there, and cannot be read or is none.
    pub fn text(&self, path: &[u8]) -> Result<Option<Vec<u8>>, TextError> {
        match self.root.open_file_in_root(path) {
            Ok(file) => limited(file).map(Some),
            Err(error) if error.errno == rbuild_rootdir::Errno::INVAL => Err(TextError::NotRegular),
            Err(error) if error.is_not_found() => {
                let pinned = self.root.resolve_in_root(path, LastLink::Keep);
                match pinned.and_then(rbuild_rootdir::fstat).map(|stat| stat.kind) {
                    Ok(Kind::Symlink) => Err(TextError::LeadsOut),
                    _ => Ok(None),
                }
            }
            Err(error) => Err(io::Error::from(error.errno).into()),
        }
    }

    /// The text of a file at a path of the context, if there is one of at most 64 KiB.
    #[must_use]
    pub fn short_text(&self, path: &[u8]) -> Option<String> {
        const MAX: usize = 64 << 10;
        let mut bytes = Vec::new();
        let file = self.root.open_file_in_root(path).ok()?;
        file.take(MAX as u64 + 1).read_to_end(&mut bytes).ok()?;
        String::from_utf8(bytes).ok().filter(|text| text.len() <= MAX)
    }

    /// Whether the context has such a name, be it a link that leads nowhere.
    #[must_use]
    pub fn has_name(&self, path: &[u8]) -> bool {
        self.root.resolve_in_root(path, LastLink::Keep).is_ok()
    }
}

/// A file that the caller names. A pipe is read to its end.
///
/// # Errors
/// It is not there, cannot be read, or is too large.
#[expect(clippy::disallowed_methods, reason = "the caller names this path")]
pub fn text_at(path: &Path) -> Result<Vec<u8>, TextError> {
    limited(File::open(path)?)
}

/// What comes out of `input`.
///
/// # Errors
/// It cannot be read, or is too large.
pub fn limited(input: impl Read) -> Result<Vec<u8>, TextError> {
    let mut bytes = Vec::new();
    let read = input.take(MAX_SIZE + 1).read_to_end(&mut bytes)?;
    if read as u64 > MAX_SIZE {
        return Err(TextError::TooLarge);
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn a_context_gives_its_own_files_alone() {
        let outside = tempfile::tempdir().unwrap();
        std::fs::write(outside.path().join("secret"), "canary").unwrap();
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        std::fs::write(at("file"), "text").unwrap();
        std::fs::create_dir(at("dir")).unwrap();
        symlink("../file", at("dir/up")).unwrap();
        symlink("/file", at("absolute")).unwrap();
        symlink(outside.path().join("secret"), at("out")).unwrap();
        symlink("/proc/self/environ", at("environ")).unwrap();
        symlink("/dev/zero", at("endless")).unwrap();
        symlink("loop", at("loop")).unwrap();
        symlink(outside.path(), at("dir/out")).unwrap();
        rustix::fs::mknodat(
            rustix::fs::CWD,
            at("pipe"),
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::RWXU,
            0,
        )
        .unwrap();
        let context = BuildContext::open(dir.path()).unwrap();
        for name in ["file", "dir/up", "absolute", "dir/../file"] {
            assert_eq!(context.text(name.as_bytes()).unwrap().unwrap(), b"text", "{name}");
        }
        for name in ["out", "environ", "endless"] {
            let answer = context.text(name.as_bytes());
            assert!(matches!(answer, Err(TextError::LeadsOut)), "{name}: {answer:?}");
            assert!(context.has_name(name.as_bytes()));
        }
        for name in ["pipe", "dir"] {
            let answer = context.text(name.as_bytes());
            assert!(matches!(answer, Err(TextError::NotRegular)), "{name}: {answer:?}");
        }
        for name in ["absent", "dir/out/secret", "absent/file"] {
            assert!(context.text(name.as_bytes()).unwrap().is_none(), "{name}");
            assert!(!context.has_name(name.as_bytes()), "{name}");
        }
        assert!(matches!(context.text(b"loop"), Err(TextError::Io(_))));
    }

    #[test]
    fn what_has_no_end_is_not_read_to_its_end() {
        assert!(matches!(
            text_at(Path::new("/dev/zero")),
            Err(TextError::TooLarge)
        ));
        let most = vec![b' '; MAX_SIZE as usize];
        assert_eq!(limited(most.as_slice()).unwrap().len(), most.len());
        let dir = tempfile::tempdir().unwrap();
        let large = dir.path().join("Dockerfile");
        std::fs::File::create(&large)
            .unwrap()
            .set_len(MAX_SIZE + 1)
            .unwrap();
        let context = BuildContext::open(dir.path()).unwrap();
        assert!(matches!(context.text(b"Dockerfile"), Err(TextError::TooLarge)));
        let absent = text_at(Path::new("/absent/file")).unwrap_err();
        assert!(absent.is_not_found());
    }
}
