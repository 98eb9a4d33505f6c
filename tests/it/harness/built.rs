//! Building straight to an archive that the test reads: nothing is asked of the other verbs.

use std::ffi::OsStr;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::archive::OciImage;
use super::base::Base;
use super::env::TestEnv;
use super::invocation::Invocation;
use super::outcome::Outcome;

static NEXT: AtomicUsize = AtomicUsize::new(0);

impl TestEnv {
    /// `rbuild build` with `busybox:local` at hand as a named context. The context is for the caller to add.
    pub(crate) fn building<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Invocation {
        let busybox = Base::Busybox;
        let base = format!(
            "{}=oci-layout://{}",
            busybox.reference(),
            busybox.archive().display()
        );
        self.rbuild(["build", "--build-context"]).arg(base).args(args)
    }

    /// Builds a context with these flags, and reads the image that comes out.
    #[track_caller]
    pub(crate) fn image<S: AsRef<OsStr>>(
        &self,
        args: impl IntoIterator<Item = S>,
        context: impl AsRef<Path>,
    ) -> OciImage {
        self.image_and_words(args, context).0
    }

    /// The same, with what was printed.
    #[track_caller]
    pub(crate) fn image_and_words<S: AsRef<OsStr>>(
        &self,
        args: impl IntoIterator<Item = S>,
        context: impl AsRef<Path>,
    ) -> (OciImage, Outcome) {
        let file = self.path(format!("built-{}.tar", NEXT.fetch_add(1, Ordering::Relaxed)));
        let outcome = self
            .building(args)
            .arg("-o")
            .arg(format!("type=oci,dest={}", file.display()))
            .arg(context.as_ref())
            .run()
            .success()
            .no_panic();
        (OciImage::from_archive(&file), outcome)
    }

    /// A Dockerfile as text and these files, built.
    #[track_caller]
    pub(crate) fn image_of(&self, dockerfile: &str, files: &[(&str, &str)]) -> OciImage {
        let context = self.context_of(dockerfile, files);
        self.image([""; 0], context)
    }

    /// A new context of a Dockerfile and these files.
    #[track_caller]
    pub(crate) fn context_of(&self, dockerfile: &str, files: &[(&str, &str)]) -> std::path::PathBuf {
        let name = format!("context-{}", NEXT.fetch_add(1, Ordering::Relaxed));
        let dir = self.context(&name, files);
        self.write(Path::new(&name).join("Dockerfile"), dockerfile);
        dir
    }

    /// Builds what must be refused: the build fails with exit code 1.
    #[track_caller]
    pub(crate) fn refused(&self, dockerfile: &str, files: &[(&str, &str)]) -> Outcome {
        let context = self.context_of(dockerfile, files);
        self.building([""; 0]).arg(context).run().exits(1).no_panic()
    }
}
