//! What a vertex *is*, as named fields: vertices of the same fields and inputs are one.
//!
//! Each kind is taken apart without `..`, so that a new field does not compile until it is decided here whether it
//! counts. What counts is all that the result or a message depends on. It need not be the same as the key of
//! [`super`]: a key is found again by another build, a definition lives as long as the graph.

#[cfg(test)]
mod tests;

use super::FetchSpec;
use super::spec::{
    Chmod, CopySource, CopySpec, ExecDevices, ExecMount, ExecSpec, SourceSpec, Step, StepSpec, WorkdirSpec,
};
use crate::address::{GitAddress, HttpAddress};
use crate::cdi::{DeviceNode, Edits, HostMount};
use dockerfile_parser::Platform;
use rbuild_registry::Authorization;
use rbuild_sandbox::MountFlags;
use rbuild_solver::{DefinitionDigest, KeyHasher};
use std::os::unix::ffi::OsStrExt;

/// Raised when the same fields mean something else.
const REVISION: u32 = 2;

/// What `step` is. Where it stands does not count.
pub(super) fn definition(step: &Step) -> DefinitionDigest {
    let Step {
        id: _,
        title: _,
        words_at: _,
        of: _,
        stage: _,
        line: _,
        span: _,
        secrets: _,
        no_cache,
        spec,
    } = step;
    let mut fields = KeyHasher::new(kind(spec), REVISION);
    // A step whose cache is not wanted stays by itself.
    fields.flag("no cache", *no_cache);
    match spec {
        StepSpec::Source(spec) => source(&mut fields, spec),
        StepSpec::Copy(spec) => copy(&mut fields, spec),
        StepSpec::Workdir(spec) => workdir(&mut fields, spec),
        StepSpec::Exec(spec) => exec(&mut fields, spec),
        StepSpec::Fetch(spec) => fetch(&mut fields, spec),
    }
    fields.finish_definition()
}

fn kind(spec: &StepSpec) -> &'static str {
    match spec {
        StepSpec::Source(_) => "source definition",
        StepSpec::Copy(_) => "copy definition",
        StepSpec::Workdir(_) => "workdir definition",
        StepSpec::Exec(_) => "exec definition",
        StepSpec::Fetch(_) => "fetch definition",
    }
}

fn source(fields: &mut KeyHasher, spec: &SourceSpec) {
    match spec {
        SourceSpec::Scratch => {
            fields.text("source", b"scratch");
        }
        SourceSpec::Image(image) => {
            fields.text("source", b"image");
            image.identify(fields);
        }
    }
}

fn copy(fields: &mut KeyHasher, spec: &CopySpec) {
    let CopySpec {
        keyword,
        sources,
        dest,
        chown,
        chmod,
        link,
        parents,
        excludes,
        unpack,
        unpack_remote,
    } = spec;
    // The rules are what the text means.
    let chmod = chmod.as_ref().map(|Chmod { text, rules: _ }| text);
    fields
        .text("instruction", keyword.as_bytes())
        .text("destination", dest.as_bytes())
        .optional("chown", chown.as_ref())
        .optional("chmod", chmod)
        .flag("link", *link)
        .flag("parents", *parents)
        .list("exclude", excludes)
        .flag("unpack", *unpack)
        .flag("unpack remote", *unpack_remote)
        .number("sources", sources.len());
    for source in sources {
        copy_source(fields, source);
    }
}

fn copy_source(fields: &mut KeyHasher, source: &CopySource) {
    match source {
        CopySource::Context {
            context,
            pattern,
            literal,
        } => {
            fields.text("source", b"context");
            context.identify(fields);
            fields
                .text("pattern", pattern.as_bytes())
                .flag("literal", *literal);
        }
        CopySource::Snapshot { input, pattern } => {
            fields
                .text("source", b"snapshot")
                .number("input", *input)
                .text("pattern", pattern.as_bytes());
        }
        CopySource::Inline { name, content } => {
            fields
                .text("source", b"inline")
                .text("name", name.as_bytes())
                .text("content", content.as_bytes());
        }
    }
}

fn workdir(fields: &mut KeyHasher, spec: &WorkdirSpec) {
    let WorkdirSpec { path, user } = spec;
    fields.text("path", path.as_bytes()).text("user", user.as_bytes());
}

fn exec(fields: &mut KeyHasher, spec: &ExecSpec) {
    let ExecSpec {
        argv,
        env,
        redacted,
        hidden_env,
        cwd,
        user,
        network,
        mounts,
        devices,
        hostname,
        add_hosts,
        no_new_privs,
        insecure,
        shm_size,
        platform,
        script,
        is_shell_form,
        base_name,
    } = spec;
    fields
        .list("argument", argv)
        .pairs("env", env)
        .list("redacted", redacted)
        .pairs("hidden env", hidden_env)
        .text("directory", cwd.as_bytes())
        .text("user", user.as_bytes())
        .text("network", network.as_str().as_bytes())
        .optional("host name", hostname.as_ref())
        .pairs("host", add_hosts)
        .flag("no new privileges", *no_new_privs)
        .flag("insecure", *insecure)
        .optional_number("shm size", *shm_size)
        .pairs("script", script)
        .flag("shell form", *is_shell_form)
        .text("base name", base_name.as_bytes())
        .number("mounts", mounts.len());
    platform_fields(fields, platform);
    for mount in mounts {
        exec_mount(fields, mount);
    }
    exec_devices(fields, devices);
}

fn platform_fields(fields: &mut KeyHasher, platform: &Platform) {
    let Platform {
        os,
        architecture,
        variant,
    } = platform;
    fields
        .text("os", os.as_bytes())
        .text("architecture", architecture.as_bytes())
        .text("variant", variant.as_bytes());
}

fn exec_mount(fields: &mut KeyHasher, mount: &ExecMount) {
    match mount {
        ExecMount::Bind {
            target,
            input,
            source,
            writable,
        } => fields
            .text("mount", b"bind")
            .text("target", target.as_bytes())
            .number("input", *input)
            .text("source", source.as_bytes())
            .flag("writable", *writable),
        ExecMount::Cache {
            target,
            id,
            sharing,
            read_only,
            mode,
            uid,
            gid,
            seed,
        } => {
            let (input, path) = seed.as_ref().map(|(input, path)| (*input, path)).unzip();
            fields
                .text("mount", b"cache")
                .text("target", target.as_bytes())
                .text("id", id.as_bytes())
                .text("sharing", sharing.as_str().as_bytes())
                .flag("read only", *read_only)
                .number("mode", *mode)
                .number("uid", *uid)
                .number("gid", *gid)
                .optional_number("seed input", input)
                .optional("seed path", path)
        }
        ExecMount::Tmpfs {
            target,
            size,
            read_only,
        } => fields
            .text("mount", b"tmpfs")
            .text("target", target.as_bytes())
            .optional_number("size", *size)
            .flag("read only", *read_only),
        ExecMount::Secret {
            id,
            target,
            env,
            required,
            mode,
            uid,
            gid,
        } => fields
            .text("mount", b"secret")
            .text("id", id.as_bytes())
            .optional("target", target.as_ref())
            .optional("env", env.as_ref())
            .flag("required", *required)
            .number("mode", *mode)
            .number("uid", *uid)
            .number("gid", *gid),
        ExecMount::Ssh {
            id,
            target,
            required,
            mode,
            uid,
            gid,
        } => fields
            .text("mount", b"ssh")
            .text("id", id.as_bytes())
            .text("target", target.as_bytes())
            .flag("required", *required)
            .number("mode", *mode)
            .number("uid", *uid)
            .number("gid", *gid),
    };
}

fn exec_devices(fields: &mut KeyHasher, devices: &ExecDevices) {
    let ExecDevices { names, edits } = devices;
    let Edits {
        env,
        nodes,
        mounts,
        groups,
        kept_modes,
    } = edits;
    fields
        .list("device", names)
        .pairs("device env", env)
        .list("kept mode", kept_modes)
        .list("group", groups.iter().map(ToString::to_string))
        .number("device nodes", nodes.len());
    for node in nodes {
        let DeviceNode {
            path,
            host_path,
            is_block,
            major,
            minor,
        } = node;
        fields
            .text("path", path.as_bytes())
            .text("host path", host_path.as_os_str().as_bytes())
            .optional_number("block", is_block.map(u32::from))
            .optional_number("major", *major)
            .optional_number("minor", *minor);
    }
    fields.number("device mounts", mounts.len());
    for mount in mounts {
        let HostMount {
            source,
            target,
            recursive,
            flags,
        } = mount;
        let MountFlags {
            read_only,
            nosuid,
            nodev,
            noexec,
        } = flags;
        fields
            .text("source", source.as_os_str().as_bytes())
            .text("target", target.as_bytes())
            .flag("recursive", *recursive)
            .flag("read only", *read_only)
            .flag("nosuid", *nosuid)
            .flag("nodev", *nodev)
            .flag("noexec", *noexec);
    }
}

fn fetch(fields: &mut KeyHasher, spec: &FetchSpec) {
    // A login decides what comes. The digest of a definition is never stored.
    let header = |login: &Option<Authorization>| login.as_ref().map(|login| login.reveal().to_owned());
    match spec {
        FetchSpec::Http { address, checksum } => {
            let HttpAddress { url, login } = address;
            fields
                .text("fetch", b"file")
                .text("url", url.as_bytes())
                .optional("login", header(login))
                .optional("checksum", checksum.map(|digest| digest.to_string()));
        }
        FetchSpec::Git(address) => {
            let GitAddress {
                url,
                login,
                reference,
                subdir,
                checksum,
                keep_git_dir,
                no_submodules,
            } = address;
            fields
                .text("fetch", b"repository")
                .text("url", url.as_bytes())
                .optional("login", header(login))
                .optional("reference", reference.as_ref())
                .optional("directory", subdir.as_ref())
                .optional("checksum", checksum.as_ref())
                .flag("keep .git", *keep_git_dir)
                .flag("no submodules", *no_submodules);
        }
    }
}
