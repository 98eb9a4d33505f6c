//! Where a mount lies: targets that are not there, links on the way, mounts in mounts. No trace stays in a layer.

use super::last_layer;
use crate::harness::{OciImage, TestEnv};
use std::fs;

/// The outer mount is made first, in whatever order they are written; what an inner one stands on is made where it can.
#[test]
fn mounts_in_mounts() {
    let env = TestEnv::new();
    let inner_first = |outer: &str| {
        format!(
            "RUN --mount=type=tmpfs,target=/o/a/inner --mount={outer},target=/o touch /o/a/inner/x && ls /o /o/a > /seen\n"
        )
    };
    let files = [("dir/a/file", ""), ("dir/b", "")];
    let seen = |dockerfile: &str| {
        let image = env.image_of(&format!("FROM busybox:local\n{dockerfile}"), &files);
        assert_eq!(last_layer(&image), ["seen"], "{dockerfile}");
        image.tree()["seen"].text()
    };
    assert_eq!(seen(&inner_first("type=tmpfs")), "/o:\na\n\n/o/a:\ninner\n");
    assert_eq!(
        seen(&inner_first("type=bind,source=dir,rw")),
        "/o:\na\nb\n\n/o/a:\nfile\ninner\n"
    );
    assert_eq!(
        seen(&inner_first("type=cache,id=outer")),
        "/o:\na\n\n/o/a:\ninner\n"
    );
    // A file in a cache, and the node_modules of everybody.
    let give = env.write("secret", "s");
    let give = format!("id=s,src={}", give.display());
    let dockerfile = "FROM busybox:local\nWORKDIR /src\n\
        RUN --mount=type=cache,target=/root --mount=type=secret,id=s,target=/root/.npmrc \
            --mount=type=cache,target=node_modules --mount=target=.,rw \
            cat /root/.npmrc > /seen && touch node_modules/x dir/new && ls -a . >> /seen\n";
    let image = env.image(["--secret", &give], env.context_of(dockerfile, &files));
    assert_eq!(
        image.tree()["seen"].text(),
        "s.\n..\nDockerfile\ndir\nnode_modules\n"
    );
    assert!(!env.path("context/node_modules").exists());
    // The files of the context stay as they are.
    let again = "FROM busybox:local\nRUN --mount=target=/c --mount=type=cache,target=/n,id=/src/node_modules ls /c/dir /n > /seen\n";
    assert_eq!(
        env.image_of(again, &files).tree()["seen"].text(),
        "/c/dir:\na\nb\n\n/n:\nx\n"
    );
    // Where nothing can be made.
    env.refused(
        &format!("FROM busybox:local\n{}", inner_first("type=bind,source=dir")),
        &files,
    )
    .says("`/o/a/inner` is not in what is mounted on `/o`")
    .says("`rw`");
    env.refused(
        "FROM busybox:local\nRUN --mount=type=tmpfs,target=/bin true\n",
        &[],
    )
    .says("`/bin/sh` is not in what is mounted on `/bin`");
}

/// A directory that was renamed into place, as dpkg makes all of them, is one like any other.
#[test]
fn mount_points_in_renamed_directories() {
    let env = TestEnv::new();
    let give = env.write("secret", "s");
    let give = format!("id=s,src={}", give.display());
    let dockerfile = "FROM busybox:local\n\
        RUN mkdir -p /usr/a/deep && mv /usr/a /usr/foo && mkdir /b && mv /b /etc/b\n\
        RUN --mount=type=cache,target=/usr/foo/c --mount=type=tmpfs,target=/usr/foo/deep/er/t \
            --mount=type=secret,id=s,target=/etc/b/s --mount=target=/etc/b/context \
            cat /etc/b/s /etc/b/context/file > /seen && touch /usr/foo/c/x /usr/foo/deep/er/t/x\n\
        RUN find /usr/foo /etc/b > /left\n";
    let context = env.context_of(dockerfile, &[("file", "of the context\n")]);
    env.building(["-q", "-t", "image", "--secret", &give])
        .arg(context)
        .run()
        .success();
    let tree = env.saved("image").tree();
    assert_eq!(tree["seen"].text(), "sof the context\n");
    assert_eq!(tree["left"].text(), "/usr/foo\n/usr/foo/deep\n/etc/b\n");
    let host = env.write("host/file", "of the host\n");
    let volume = format!("{}:/etc/b/new:ro", host.display());
    let outcome = env
        .rbuild(["run", "-v", &volume, "image", "cat", "/etc/b/new"])
        .run();
    assert_eq!(outcome.success().out(), "of the host");
}

#[test]
fn no_trace_of_mount_points() {
    let env = TestEnv::new();
    let canary = env.write("canary/file", "safe");
    let dockerfile = "FROM busybox:local\n\
        RUN rm -rf /home /mnt && mkdir -p /gone/a /opaque/old && rm -rf /gone && touch -d '2001-02-03 04:05:06' /etc /var /\n\
        RUN rm -rf /opaque && mkdir /opaque && touch -d '2001-02-03 04:05:06' /opaque /\n\
        RUN --mount=type=tmpfs,target=/home --mount=type=tmpfs,target=/gone/a/b --mount=type=secret,id=s,target=/etc/sec/ret \
            --mount=type=cache,target=/var/deep/er --mount=type=tmpfs,target=/opaque/old/x touch /home/x /gone/a/b/x /var/deep/er/x /opaque/old/x\n";
    let build = |dockerfile: &str| {
        let context = env.context_of(dockerfile, &[]);
        let file = env.path("traces.tar");
        let outcome = env
            .building(["--secret", "id=s,env=S", "-o"])
            .arg(format!("type=oci,dest={}", file.display()))
            .arg(context);
        outcome.env("S", "s").run().success();
        OciImage::from_archive(&file)
    };
    let image = build(dockerfile);
    assert_eq!(last_layer(&image), [""; 0]);
    for time in ["etc", "var"] {
        assert_eq!(image.tree()[time].mtime, 981_173_106, "{time}");
    }
    assert!(!image.tree().contains_key("home") && !image.tree().contains_key("gone"));
    // What a command has put beside a mount point stays, the mount point does not.
    let image = build("FROM busybox:local\nRUN --mount=type=tmpfs,target=/new/mnt touch /new/file\n");
    assert_eq!(last_layer(&image), ["new", "new/file"]);
    // A command that swaps what it can for links to outside of the container: the canary is not touched.
    let outside = canary.parent().unwrap().display().to_string();
    let swap = format!(
        "FROM busybox:local\nRUN rm -rf /home\n\
         RUN --mount=type=tmpfs,target=/home/a/b --mount=type=secret,id=s,target=/home/s \
            mkdir /elsewhere; mv /home/a /elsewhere/a 2>/dev/null; mv /home /was 2>/dev/null; rm -rf /home 2>/dev/null; \
            ln -s {outside} /home 2>/dev/null; ln -s {outside} /home/a 2>/dev/null; rm -rf /etc/hosts /etc/resolv.conf 2>/dev/null; true\n"
    );
    let image = build(&swap);
    assert!(
        !last_layer(&image).iter().any(|path| path.starts_with("etc")),
        "{:?}",
        last_layer(&image)
    );
    assert_eq!(fs::read_to_string(&canary).unwrap(), "safe");
    assert_eq!(fs::read_dir(canary.parent().unwrap()).unwrap().count(), 1);
    // What lies on the host's own files in /etc is not the image's.
    let image = build(
        "FROM busybox:local\nRUN cat /etc/hosts /etc/hostname /etc/resolv.conf > /dev/null; ls /etc > /seen\n",
    );
    assert_eq!(last_layer(&image), ["seen"]);
    assert!(!image.tree().contains_key("etc/resolv.conf"));
}

#[test]
fn a_mount_without_a_target_is_on_the_workdir() {
    let env = TestEnv::new();
    let dockerfile = "FROM busybox:local AS made\nRUN echo made > /it\nFROM busybox:local\nWORKDIR /w\n\
                      RUN --mount=from=made grep made it && ! touch it\n\
                      RUN --mount=type=tmpfs touch x\nRUN --mount=type=cache echo kept > kept\n\
                      WORKDIR /v\nRUN --mount=type=cache,target=/w ls > /seen\n\
                      RUN --mount=type=cache,target=/w cat /w/kept >> /seen\n";
    let image = env.image(["--no-cache"], env.context_of(dockerfile, &[]));
    assert_eq!(image.tree()["seen"].text(), "kept\n", "its id is its place");
    assert!(image.tree().keys().all(|path| !path.starts_with("w/")));
    env.refused("FROM scratch\nRUN --mount=type=tmpfs true\n", &[])
        .says("nothing can be mounted on `/`");
}

#[test]
fn a_mount_below_a_directory_that_replaced_a_link() {
    let env = TestEnv::new();
    let dockerfile = "FROM busybox:local\nRUN mkdir /real && ln -s real /alias\nCOPY --link f /alias/f\n\
        RUN --mount=type=tmpfs,target=/alias/mnt touch /alias/mnt/x && ls /alias > /seen\n";
    let image = env.image_of(dockerfile, &[("f", "x")]);
    assert_eq!(image.tree()["seen"].text(), "f\nmnt\n");
    assert_eq!(last_layer(&image), ["seen"]);
}

#[test]
fn a_mount_lies_where_its_links_lead() {
    let env = TestEnv::new();
    let dockerfile = "FROM busybox:local\nRUN mkdir -p /real/deep && ln -s real/deep /alias\n\
        RUN --mount=type=tmpfs,target=/alias/x --mount=type=tmpfs,target=/real touch /alias/x/f && ls /real/deep > /seen\n";
    let image = env.image_of(dockerfile, &[]);
    assert_eq!(image.tree()["seen"].text(), "x\n");
    assert_eq!(last_layer(&image), ["seen"]);
}
