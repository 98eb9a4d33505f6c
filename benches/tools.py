"""The builders under measurement, each with its best settings that work here and a store of its own."""
import json
import os
import pathlib
import shutil
import subprocess

# podman and buildah ask for more open files than root of a container may set.
ULIMITS = ["--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024"]


class Tool:
    """One builder. `reset` leaves a store that holds the base image and nothing else."""

    name = ""

    def __init__(self, work, base):
        self.home = pathlib.Path(work) / self.name
        self.base = base
        # HOME, TMPDIR and the run directory too: what a tool caches elsewhere must not make it fast, or leave a trace.
        self.env = {
            "PATH": os.environ["PATH"] + ":/usr/sbin:/sbin",
            "HOME": str(self.home / "home"),
            "TMPDIR": str(self.home / "tmp"),
            "XDG_RUNTIME_DIR": str(self.home / "run"),
            "LC_ALL": "C.UTF-8",
        }

    def missing(self):
        """Why this tool cannot take part, or None."""
        return None if shutil.which(self.name, path=self.env["PATH"]) else "not installed"

    def reset(self):
        self.remove()
        for folder in ("home", "tmp", "run"):
            (self.home / folder).mkdir(parents=True)
        (self.home / "run").chmod(0o700)
        subprocess.run([*self.prefix(), *self.load()], env=self.env, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)

    def remove(self):
        if not self.home.exists():
            return
        command = ["rm", "-rf", str(self.home)]
        if os.geteuid() != 0:
            # Files of subordinate ids are removed in the namespace that maps them.
            command = ["unshare", "--map-auto", "--map-root-user", *command]
        subprocess.run(command, check=False)
        shutil.rmtree(self.home, ignore_errors=True)

    def prefix(self):
        return [self.name]


class Rbuild(Tool):
    name = "rbuild"

    def __init__(self, work, base, program):
        super().__init__(work, base)
        self.program = program
        self.env["RBUILD_ROOT"] = str(self.home / "store")

    def missing(self):
        # A program that cannot even load an image has nothing to show.
        try:
            self.reset()
        except subprocess.CalledProcessError as error:
            return "does not load the base image: " + error.stderr.decode(errors="replace").strip()
        if not (self.home / "store").exists():
            return "loading the base image made no store"
        return None

    def prefix(self):
        return [self.program]

    def load(self):
        return ["load", "-i", self.base]

    def build(self, context, tag, jobs=None):
        return [self.program, "build", "-q", *(["--jobs", str(jobs)] if jobs else []), "-t", tag, context]

    def export(self, context, tag, file):
        # The steps are cached by now; this is the export alone.
        return [self.program, "build", "-q", "-o", f"type=oci,dest={file}", context]

    def run(self, image, *command):
        return [self.program, "run", "--rm", image, *command]


class Buildah(Tool):
    name = "buildah"

    def storage(self):
        return ["--root", str(self.home / "root"), "--runroot", str(self.home / "runroot"), "--storage-driver", "overlay"]

    def prefix(self):
        return [self.name, *self.storage()]

    def load(self):
        return ["pull", "-q", f"docker-archive:{self.base}"]

    def build(self, context, tag, jobs=None):
        # chroot is the fastest isolation that buildah has; its runtimes cost 0.1 s a step and more.
        jobs = ["--jobs", str(jobs)] if jobs else []
        return [*self.prefix(), "bud", "-q", "--isolation", "chroot", "--layers", *jobs, "-t", tag, context]

    def export(self, context, tag, file):
        return [*self.prefix(), "push", "-q", tag, f"oci-archive:{file}"]


class Podman(Buildah):
    name = "podman"

    def prefix(self):
        runtime = "runc" if crun_refuses() else "crun"
        return [*unified_view(), self.name, *self.storage(), "--cgroup-manager", "cgroupfs", "--events-backend", "none", "--runtime", runtime]

    def load(self):
        return ["load", "-q", "-i", self.base]

    def build(self, context, tag, jobs=None):
        jobs = ["--jobs", str(jobs)] if jobs else []
        return [*self.prefix(), "build", "-q", "--isolation", "chroot", "--layers", *jobs, "-t", tag, context]

    def run(self, image, *command):
        options = ULIMITS if os.geteuid() == 0 else []
        if not crun_refuses():
            options = [*options, "--cgroups", "disabled"]
        return [*self.prefix(), "run", "--rm", *options, "--network", "none", image, *command]


class Crun(Tool):
    """A bare OCI runtime on an unpacked image: what starting a container costs without images."""

    name = "crun"

    def missing(self):
        for program in ("crun", "skopeo", "umoci"):
            if not shutil.which(program, path=self.env["PATH"]):
                return f"{program} is not installed"
        return "it refuses this host's mixture of cgroup versions" if crun_refuses() else None

    def reset(self):
        self.remove()
        (self.home / "run").mkdir(parents=True)
        layout, bundle = self.home / "layout", self.home / "bundle"
        rootless = [] if os.geteuid() == 0 else ["--rootless"]
        quiet = {"env": self.env, "check": True, "stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
        subprocess.run(["skopeo", "--insecure-policy", "copy", "-q", f"docker-archive:{self.base}", f"oci:{layout}:x"], **quiet)
        subprocess.run(["umoci", "unpack", *rootless, "--image", f"{layout}:x", bundle], **quiet)
        config = (bundle / "config.json").read_text()
        config = json.loads(config)
        config["process"]["terminal"] = False
        config["process"]["args"] = ["true"]
        # As with podman: limits above its own are not for a container's root to set.
        config["process"].pop("rlimits", None)
        (bundle / "config.json").write_text(json.dumps(config))

    def run(self, image, *command):
        return [*unified_view(), "crun", "--cgroup-manager=disabled", "--root", str(self.home / "state"), "run", "-b", str(self.home / "bundle"), "x"]


def is_hybrid():
    """Whether the host has cgroups of both versions at once, which crun refuses."""
    return pathlib.Path("/sys/fs/cgroup/unified").is_dir()


def crun_refuses():
    """Root can show crun the new kind alone, in a mount namespace; an ordinary user cannot."""
    return is_hybrid() and os.geteuid() != 0


def unified_view():
    """A prefix under which /sys/fs/cgroup is cgroup v2 alone, where the host is hybrid and we are root."""
    if not is_hybrid() or os.geteuid() != 0:
        return []
    script = 'umount -l /sys/fs/cgroup; mount -t cgroup2 none /sys/fs/cgroup; exec "$@"'
    return ["unshare", "--mount", "sh", "-c", script, "sh"]
