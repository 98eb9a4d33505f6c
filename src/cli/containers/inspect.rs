//! A container as JSON, shaped as docker's.

use super::told;
use crate::cli::stored::familiar;
use crate::error::Failure;
use rbuild_container::kept::{Kept, Record, State, Status};
use rbuild_container::time::{Time, rfc3339};
use rbuild_sandbox::{MountKind, Network};
use serde_json::{Map, Value, json};

/// What docker writes for a time that has not come.
const NEVER: &str = "0001-01-01T00:00:00Z";

/// A container as JSON.
///
/// # Errors
/// It cannot be read.
pub fn describe(kept: &Kept) -> Result<Value, Failure> {
    let state = kept.state().map_err(told)?;
    let record = kept.record();
    let (path, args) = match record.argv.split_first() {
        Some((path, args)) => (path.as_str(), args),
        None => ("", &[][..]),
    };
    Ok(json!({
        "Id": record.id.as_str(),
        "Created": rfc3339(record.created),
        "Path": path,
        "Args": args,
        "State": state_json(&state),
        "Image": record.image.id.to_string(),
        "LogPath": kept.dir().path().join("log").display().to_string(),
        "Name": format!("/{}", record.name),
        "RestartCount": state.restarts,
        "Driver": "overlay",
        "Platform": "linux",
        "HostConfig": host_config(record),
        "GraphDriver": {
            "Name": "overlay",
            "Data": { "UpperDir": kept.dir().layer().join("fs").display().to_string() },
        },
        "Mounts": mounts(record),
        "Config": config(record),
        "NetworkSettings": { "Networks": {}, "Ports": {} },
    }))
}

fn time(time: Option<Time>) -> String {
    time.map_or_else(|| NEVER.to_owned(), rfc3339)
}

fn state_json(state: &State) -> Value {
    json!({
        "Status": state.status.name(),
        "Running": state.status.is_live(),
        "Paused": state.status == Status::Paused,
        "Restarting": state.status == Status::Restarting,
        "OOMKilled": state.oom_killed,
        "Dead": false,
        "Pid": state.process.map_or(0, |process| process.pid),
        "ExitCode": state.exit_code,
        "Error": state.error,
        "StartedAt": time(state.started),
        "FinishedAt": time(state.finished),
    })
}

fn host_config(record: &Record) -> Value {
    let maximum = match record.restart {
        rbuild_container::kept::Restart::OnFailure(most) => most,
        _ => 0,
    };
    let binds: Vec<String> = mounts(record)
        .iter()
        .filter(|mount| mount["Type"] == "bind")
        .filter_map(|mount| {
            let mode = if mount["RW"] == true { "" } else { ":ro" };
            Some(format!(
                "{}:{}{mode}",
                mount["Source"].as_str()?,
                mount["Destination"].as_str()?
            ))
        })
        .collect();
    json!({
        "Binds": binds,
        "ContainerIDFile": "",
        "LogConfig": {
            "Type": if record.log.files == 0 { "none" } else { "local" },
            "Config": { "max-file": record.log.files.to_string(), "max-size": record.log.bytes.to_string() },
        },
        "NetworkMode": network(record.request.network),
        "RestartPolicy": { "Name": record.restart.name(), "MaximumRetryCount": maximum },
        "AutoRemove": record.auto_remove,
        "ExtraHosts": record.request.add_hosts.iter().map(|(name, address)| format!("{name}:{address}")).collect::<Vec<_>>(),
        "Privileged": false,
        "ReadonlyRootfs": record.request.read_only,
    })
}

fn network(network: Network) -> &'static str {
    match network {
        Network::Host => "host",
        Network::None => "none",
        Network::Private => "private",
    }
}

fn mounts(record: &Record) -> Vec<Value> {
    let described = record
        .request
        .mounts
        .iter()
        .filter_map(|mount| match &mount.kind {
            MountKind::Bind { source, flags, .. } => Some(json!({
                "Type": "bind",
                "Source": source.display().to_string(),
                "Destination": mount.target,
                "Mode": if flags.read_only { "ro" } else { "" },
                "RW": !flags.read_only,
                "Propagation": "rprivate",
            })),
            MountKind::Tmpfs { flags, .. } => Some(json!({
                "Type": "tmpfs",
                "Source": "",
                "Destination": mount.target,
                "Mode": "",
                "RW": !flags.read_only,
                "Propagation": "",
            })),
            _ => None,
        });
    described.collect()
}

/// The image's configuration with what was asked for on top.
fn config(record: &Record) -> Value {
    let (image, request) = (&record.config, &record.request);
    let mut env = image.env.clone();
    for (name, value) in &request.env {
        let variable = format!("{name}={value}");
        match env.iter_mut().find(|old| old.split('=').next() == Some(name)) {
            Some(old) => *old = variable,
            None => env.push(variable),
        }
    }
    let command = match (request.command.is_empty(), &request.entrypoint) {
        (false, _) => Some(request.command.clone()),
        (true, None) => image.cmd.clone(),
        (true, Some(_)) => None,
    };
    let entrypoint = match &request.entrypoint {
        Some(entrypoint) => Some(vec![entrypoint.clone()]).filter(|words| !words[0].is_empty()),
        None => image.entrypoint.clone(),
    };
    let mut config = Map::new();
    let mut put = |name: &str, value: Value| {
        config.insert(name.to_owned(), value);
    };
    put("Hostname", json!(request.hostname));
    put("User", json!(request.user.as_ref().unwrap_or(&image.user)));
    put("AttachStdin", json!(false));
    put("AttachStdout", json!(false));
    put("AttachStderr", json!(false));
    if !image.exposed_ports.is_empty() {
        put("ExposedPorts", json!(image.exposed_ports));
    }
    put("Tty", json!(record.tty));
    put("OpenStdin", json!(record.open_stdin));
    put("StdinOnce", json!(false));
    put("Env", json!(env));
    put("Cmd", json!(command));
    if let Some(healthcheck) = &image.healthcheck {
        put("Healthcheck", json!(healthcheck));
    }
    put("Image", json!(familiar(&record.image.name)));
    put(
        "Volumes",
        if image.volumes.is_empty() {
            Value::Null
        } else {
            json!(image.volumes)
        },
    );
    put(
        "WorkingDir",
        json!(request.workdir.as_ref().unwrap_or(&image.working_dir)),
    );
    put("Entrypoint", json!(entrypoint));
    put("Labels", json!(record.labels));
    put(
        "StopSignal",
        json!(
            u8::try_from(record.stop_signal)
                .map(dockerfile_parser::signal::name)
                .unwrap_or_default()
        ),
    );
    put("StopTimeout", json!(record.stop_timeout));
    Value::Object(config)
}
