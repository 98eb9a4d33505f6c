//! Where a built image goes: the store, registries, archives, directories.

use crate::error::Error;
use crate::export::{self, Outgoing};
use crate::observer::BuildEvent;
use crate::request::{Destination, ImageForm, LayerCompression, Output};
use crate::result::Written;
use crate::session::Session;
use crate::sources::image_platform;
use dockerfile_parser::Platform;
use rbuild_layer::tree::TreeView;
use rbuild_oci::{Descriptor, MediaTypes, Reference};
use rbuild_store::image::export::ExportOptions;
use rbuild_store::image::{ImageList, ImageRecord, ListedImage};
use rbuild_store::snapshot::Snapshot;
use std::collections::BTreeMap;
use std::path::Path;

/// The outputs of one build.
pub(crate) struct Outputs<'a> {
    /// The build.
    pub(crate) session: &'a Session<'a>,
}

/// The image for one platform.
pub(crate) struct Built {
    /// What it is for.
    pub(crate) platform: Platform,
    /// Its record.
    pub(crate) image: ImageRecord,
    /// Its files.
    pub(crate) snapshot: Option<Snapshot>,
}

impl Built {
    /// The directory of its files where there are several: `linux_arm64`, as BuildKit calls it.
    fn directory(&self) -> String {
        self.platform.to_string().replace('/', "_")
    }
}

/// The image that stands for all: the one for this machine, else the first.
pub(crate) fn main_image<'b>(built: &'b [Built], machine: &Platform) -> Option<&'b Built> {
    let native = built.iter().find(|built| built.platform == *machine);
    native.or_else(|| built.first())
}

/// What was written, and the manifest or index that the image went out with last.
type Sent = (Vec<Written>, Option<Descriptor>);

impl Outputs<'_> {
    /// Sends the images and their files where the request says.
    ///
    /// # Errors
    /// An output cannot be written; those before it are whole, those after it not begun.
    pub(crate) fn write(&self, built: &[Built]) -> Result<Sent, Error> {
        let session = self.session;
        // The records come first: exports find layers through them, and nothing collects them meanwhile.
        let outputs = &session.request.outputs;
        if outputs
            .iter()
            .any(|output| matches!(output, Output::Image { .. }))
        {
            for built in built {
                session.store.images().put(&built.image)?;
            }
        }
        let list = (built.len() > 1).then(|| self.list(built));
        let (mut written, mut manifest) = (Vec::new(), None);
        for output in outputs {
            if !matches!(output, Output::Cache | Output::Image { push: false, .. }) {
                session.enter()?;
            }
            let outgoing = Outgoing {
                names: self.names(output).iter().map(Reference::to_string).collect(),
                images: built.iter().map(|built| &built.image).collect(),
                list: list.as_ref(),
                descriptor: session.request.edits.index_annotations.descriptor.clone(),
            };
            let sent = match output {
                Output::Cache => None,
                Output::Image { push, form, .. } => {
                    let names = self.names(output);
                    self.name(built, list.as_ref(), &names, &mut written)?;
                    match push {
                        true => self.push(&outgoing, &names, form, &mut written)?,
                        false => None,
                    }
                }
                Output::Oci { .. } | Output::Docker { .. } => {
                    self.archive(&outgoing, output, &mut written)?
                }
                Output::Local { dest, split } => {
                    self.local(built, dest, *split, &mut written)?;
                    None
                }
                Output::Tar { dest, split } => {
                    self.tar(built, dest, *split, &mut written)?;
                    None
                }
            };
            manifest = sent.or(manifest);
        }
        Ok((written, manifest))
    }

    fn list(&self, built: &[Built]) -> ImageList {
        let listed = |built: &Built| ListedImage {
            image: built.image.id,
            platform: image_platform(&built.platform),
            annotations: BTreeMap::new(),
        };
        ImageList {
            images: built.iter().map(listed).collect(),
            annotations: self.session.request.edits.index_annotations.index.clone(),
        }
    }

    /// Names the image in the store.
    fn name(
        &self,
        built: &[Built],
        list: Option<&ImageList>,
        names: &[Reference],
        written: &mut Vec<Written>,
    ) -> Result<(), Error> {
        let Some(main) = main_image(built, &self.session.request.build_platform) else {
            return Ok(());
        };
        let images = self.session.store.images();
        for name in names {
            match list {
                Some(list) => images.tag_list(&name.to_string(), Some(&main.image.id), list)?,
                None => {
                    images.tag(&name.to_string(), &main.image.id)?;
                }
            }
            written.push(Written::Named(name.clone()));
        }
        Ok(())
    }

    fn push(
        &self,
        outgoing: &Outgoing<'_>,
        names: &[Reference],
        form: &ImageForm,
        written: &mut Vec<Written>,
    ) -> Result<Option<Descriptor>, Error> {
        let session = self.session;
        let form = self.form(form);
        let mut last = None;
        for name in names {
            let title = format!("pushing {}", name.familiar());
            let pushed = session.task(&title, |progress| {
                let registries = &session.engine.registries;
                crate::push::push(&session.store, registries, outgoing, name, &form, progress)
            })?;
            written.push(Written::Pushed(name.clone(), pushed.digest));
            last = Some(pushed);
        }
        Ok(last)
    }

    /// Writes a layout or an archive.
    fn archive(
        &self,
        outgoing: &Outgoing<'_>,
        output: &Output,
        written: &mut Vec<Written>,
    ) -> Result<Option<Descriptor>, Error> {
        let session = self.session;
        let store = &session.store;
        let what = std::slice::from_ref(outgoing);
        let (kind, dest, sent) = match output {
            Output::Oci { dest, tar, form, .. } => {
                let form = self.form(form);
                let made = session.task(&title("oci", dest), |_| {
                    export::oci(store, what, dest, *tar, &form)
                })?;
                let index = made.indexes.into_iter().next().map(|index| index.descriptor);
                let image = made.images.into_iter().next().map(|image| image.manifest);
                ("oci", dest, index.or(image))
            }
            Output::Docker { dest, form, .. } => {
                // An archive of one image has no media types; zstd has none of docker's.
                let form = ExportOptions {
                    media_types: match form.compression {
                        LayerCompression::Zstd(_) => MediaTypes::Oci,
                        LayerCompression::Gzip(_) | LayerCompression::None => MediaTypes::Docker,
                    },
                    ..self.form(form)
                };
                session.task(&title("docker", dest), |_| {
                    export::docker_archive(store, what, dest, &form)
                })?;
                ("docker", dest, None)
            }
            _ => return Ok(None),
        };
        written.push(Written::Exported(kind.into(), dest.clone()));
        Ok(sent)
    }

    /// Writes the files into a directory, those of several platforms into one for each.
    fn local(
        &self,
        built: &[Built],
        dest: &Path,
        split: Option<bool>,
        written: &mut Vec<Written>,
    ) -> Result<(), Error> {
        let session = self.session;
        let (epoch, stop) = (session.request.epoch, session.store.stop());
        for built in built {
            let dest = match split.unwrap_or(self.has_several()) {
                true => dest.join(built.directory()),
                false => dest.to_owned(),
            };
            let shown = Destination::Path(dest.clone());
            let left_out = session.task(&title("local", &shown), |_| {
                export::local(&tree(built.snapshot.as_ref())?, &dest, epoch, stop)
            })?;
            if !left_out.devices.is_empty() {
                let devices = BuildEvent::DevicesLeftOut(&left_out.devices);
                session.observer.event(&devices);
            }
            if !left_out.set_id.is_empty() {
                let set_id = BuildEvent::SetIdDropped(&dest, &left_out.set_id);
                session.observer.event(&set_id);
            }
            written.push(Written::Exported("local".into(), shown));
        }
        Ok(())
    }

    /// Writes the files as a tar, those of several platforms in a directory for each.
    fn tar(
        &self,
        built: &[Built],
        dest: &Destination,
        split: Option<bool>,
        written: &mut Vec<Written>,
    ) -> Result<(), Error> {
        let session = self.session;
        let (epoch, stop) = (session.request.epoch, session.store.stop());
        session.task(&title("tar", dest), |_| {
            let trees: Vec<(String, TreeView)> = built
                .iter()
                .map(|built| Ok((built.directory(), tree(built.snapshot.as_ref())?)))
                .collect::<Result<_, Error>>()?;
            match (split.unwrap_or(self.has_several()), trees.as_slice()) {
                (false, [(_, tree)]) => export::tar(tree, dest, epoch, stop),
                _ => export::tars(&trees, dest, epoch, stop),
            }
        })?;
        written.push(Written::Exported("tar".into(), dest.clone()));
        Ok(())
    }

    fn has_several(&self) -> bool {
        self.session.request.platforms.len() > 1
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

fn title(kind: &str, dest: &Destination) -> String {
    format!("writing {dest} ({kind})")
}

fn tree(snapshot: Option<&Snapshot>) -> Result<TreeView, Error> {
    match snapshot {
        Some(snapshot) => Ok(snapshot.tree()?),
        None => Ok(TreeView::default()),
    }
}
