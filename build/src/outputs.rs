//! Where a built image goes: the store, registries, archives, directories.

use crate::error::Error;
use crate::export;
use crate::observer::BuildEvent;
use crate::request::{Destination, ImageForm, Output};
use crate::result::Written;
use crate::session::Session;
use rbuild_layer::tree::TreeView;
use rbuild_oci::{Descriptor, Reference};
use rbuild_store::image::ImageRecord;
use rbuild_store::image::export::{ExportOptions, Prepared};
use rbuild_store::snapshot::Snapshot;

/// The outputs of one build.
pub(crate) struct Outputs<'a> {
    /// The build.
    pub(crate) session: &'a Session<'a>,
}

/// What was written, and the manifest that the image went out with last.
type Sent = (Vec<Written>, Option<Descriptor>);

impl Outputs<'_> {
    /// Sends the image and the files of its `snapshot` where the request says.
    ///
    /// # Errors
    /// An output cannot be written; those before it are whole, those after it not begun.
    pub(crate) fn write(&self, image: &ImageRecord, snapshot: Option<&Snapshot>) -> Result<Sent, Error> {
        let session = self.session;
        // The record comes first: exports find layers through it, and nothing collects them meanwhile.
        let outputs = &session.request.outputs;
        if outputs
            .iter()
            .any(|output| matches!(output, Output::Image { .. }))
        {
            session.store.images().put(image)?;
        }
        let (mut written, mut manifest) = (Vec::new(), None);
        for output in outputs {
            if !matches!(output, Output::Cache | Output::Image { push: false, .. }) {
                session.enter()?;
            }
            let prepared = match output {
                Output::Image { push, form, .. } => {
                    self.image(image, &self.names(output), *push, form, &mut written)?
                }
                other => self.export(image, snapshot, other, &mut written)?,
            };
            manifest = prepared.map(|prepared| prepared.manifest).or(manifest);
        }
        Ok((written, manifest))
    }

    /// Writes an archive or a directory.
    fn export(
        &self,
        image: &ImageRecord,
        snapshot: Option<&Snapshot>,
        output: &Output,
        written: &mut Vec<Written>,
    ) -> Result<Option<Prepared>, Error> {
        let session = self.session;
        let store = &session.store;
        let epoch = session.request.epoch;
        let names = || self.names(output).iter().map(Reference::to_string).collect();
        let title = |kind: &str, dest: &Destination| format!("writing {dest} ({kind})");
        let (kind, dest, prepared) = match output {
            Output::Cache | Output::Image { .. } => return Ok(None),
            Output::Oci { dest, tar, form, .. } => {
                let form = self.form(form);
                let made = session.task(&title("oci", dest), |_| {
                    export::oci(store, &[(image, names())], dest, *tar, &form)
                })?;
                ("oci", dest.clone(), made.into_iter().next())
            }
            Output::Docker { dest, form, .. } => {
                let form = self.form(form);
                session.task(&title("docker", dest), |_| {
                    export::docker_archive(store, &[(image, names())], dest, &form)
                })?;
                ("docker", dest.clone(), None)
            }
            Output::Local { dest } => {
                let shown = Destination::Path(dest.clone());
                let left_out = session.task(&title("local", &shown), |_| {
                    export::local(&tree(snapshot)?, dest, epoch, store.stop())
                })?;
                if !left_out.devices.is_empty() {
                    let devices = BuildEvent::DevicesLeftOut(&left_out.devices);
                    session.observer.event(&devices);
                }
                if !left_out.set_id.is_empty() {
                    let set_id = BuildEvent::SetIdDropped(dest, &left_out.set_id);
                    session.observer.event(&set_id);
                }
                ("local", shown, None)
            }
            Output::Tar { dest } => {
                session.task(&title("tar", dest), |_| {
                    export::tar(&tree(snapshot)?, dest, epoch, store.stop())
                })?;
                ("tar", dest.clone(), None)
            }
        };
        written.push(Written::Exported(kind.into(), dest));
        Ok(prepared)
    }

    /// Names the image in the store, and pushes it.
    fn image(
        &self,
        image: &ImageRecord,
        names: &[Reference],
        push: bool,
        form: &ImageForm,
        written: &mut Vec<Written>,
    ) -> Result<Option<Prepared>, Error> {
        let session = self.session;
        for name in names {
            let images = session.store.images();
            images.tag(&name.to_string(), &image.id)?;
            written.push(Written::Named(name.clone()));
        }
        let mut prepared = None;
        for name in names.iter().filter(|_| push) {
            let title = format!("pushing {}", name.familiar());
            let pushed = session.task(&title, |progress| {
                let registries = &session.engine.registries;
                crate::push::push(
                    &session.store,
                    registries,
                    image,
                    name,
                    &self.form(form),
                    progress,
                )
            })?;
            written.push(Written::Pushed(name.clone(), pushed.manifest.digest));
            prepared = Some(pushed);
        }
        Ok(prepared)
    }

    /// The names of the request and the output's own.
    fn names(&self, output: &Output) -> Vec<Reference> {
        let mut names = self.session.request.tags.clone();
        for name in output.names() {
            if !names.contains(name) {
                names.push(name.clone());
            }
        }
        names
    }

    /// All names of all outputs, sorted.
    pub(crate) fn all_names(&self) -> Vec<Reference> {
        let outputs = &self.session.request.outputs;
        let mut names: Vec<Reference> = outputs.iter().flat_map(|output| self.names(output)).collect();
        names.sort_by_cached_key(Reference::to_string);
        names.dedup();
        names
    }

    fn form(&self, form: &ImageForm) -> ExportOptions {
        let docker = form
            .oci_media_types
            .map_or(self.session.request.docker_format, |oci| !oci);
        let options = export::options(form.compression, docker);
        ExportOptions {
            force: form.force_compression,
            ..options
        }
    }
}

fn tree(snapshot: Option<&Snapshot>) -> Result<TreeView, Error> {
    match snapshot {
        Some(snapshot) => Ok(snapshot.tree()?),
        None => Ok(TreeView::default()),
    }
}
