//! The key of a command: what it runs, and what it sees.

use crate::ops::spec::{ExecMount, ExecSpec};
use crate::ops::{OpError, StepOutput, devices, mounts};
use rbuild_oci::Digest;
use rbuild_solver::Preimage;

/// Raised when the result of the same fields changes.
const REVISION: u32 = 3;

pub(in crate::ops) fn preimage(spec: &ExecSpec, inputs: &[StepOutput]) -> Result<Option<Preimage>, OpError> {
    let mut preimage = Preimage::new("exec", REVISION);
    if let Some(base) = inputs.first() {
        preimage = preimage.input("base", base.content().to_hex());
    }
    for arg in &spec.argv {
        preimage = preimage.text("command", arg);
    }
    for (name, value) in &spec.env {
        preimage = if spec.redacted.contains(name) {
            // The hash tells a change from none, and no more.
            preimage.text(&format!("env {name}"), Digest::of(value.as_bytes()).to_string())
        } else {
            preimage.text(&format!("env {name}"), value)
        };
    }
    preimage = preimage
        .text("directory", &spec.cwd)
        .text("user", &spec.user)
        .text("network", spec.network.as_str())
        .text("platform", spec.platform.to_string());
    if spec.no_new_privs {
        preimage = preimage.text("no-new-privileges", "true");
    }
    if spec.insecure {
        preimage = preimage.text("security", "insecure");
    }
    if let Some(hostname) = &spec.hostname {
        preimage = preimage.text("own host name", hostname);
    }
    for (name, _) in &spec.add_hosts {
        preimage = preimage.text("host name", name);
    }
    if let Some((name, content)) = &spec.script {
        preimage = preimage.text(&format!("script {name}"), content);
    }
    for mount in &spec.mounts {
        preimage = identify_mount(mount, inputs, preimage)?;
    }
    Ok(Some(devices::identify(&spec.devices, preimage)))
}

/// What counts of a mount: one field for each thing, so that no two mounts have the same fields.
fn identify_mount(mount: &ExecMount, inputs: &[StepOutput], preimage: Preimage) -> Result<Preimage, OpError> {
    Ok(match mount {
        ExecMount::Bind {
            target,
            input,
            source,
            writable,
        } => preimage
            .text("bind mount", target)
            .text("bind source", source)
            .text("bind writable", writable.to_string())
            .tree(
                &format!("files at {target}"),
                mounts::bind_fingerprints(inputs, *input, source)?,
            ),
        ExecMount::Cache { .. } => mounts::cache_identity(mount, inputs, preimage)?,
        ExecMount::Tmpfs { target, .. } => preimage.text("tmpfs mount", target),
        ExecMount::Secret {
            id,
            target,
            env,
            mode,
            uid,
            gid,
            ..
        } => {
            let mut preimage = preimage.text("secret mount", id);
            for (name, value) in [("secret target", target), ("secret variable", env)] {
                if let Some(value) = value {
                    preimage = preimage.text(name, value);
                }
            }
            preimage
                .text("secret mode", format!("{mode:04o}"))
                .text("secret owner", format!("{uid}:{gid}"))
        }
        ExecMount::Ssh { id, target, .. } => preimage.text("ssh mount", id).text("ssh target", target),
    })
}
