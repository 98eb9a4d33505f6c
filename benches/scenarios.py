"""The scenarios: what is built, what is timed, and the same work done bare.

Each function is a generator of rows. A row is made per tool by `time(label, tool, prepare, argv)`; see run.py.
"""
import os
import pathlib
import shutil
import subprocess
import time

# What ours must be (seconds), as text for the last column. `floor` is the bare work of the same row.
TARGETS = {
    "tiny, cold": "0.06",
    "tiny, no-op": "0.010",
    "40 steps, cold": "0.4",
    "40 steps, no-op": "0.015",
    "20,000 files, cold": "1.5 × floor",
    "20,000 files, no-op": "0.05",
    "20,000 files, one changed": "0.4",
    "512 MB layer, into the store": "floor + 0.5",
    "512 MB layer, OCI archive with gzip": "4",
    "six stages that sleep 1 s": "1.3",
    "50,000 files and five steps, cold": "floor + 0.5",
    "50,000 files and five steps, no-op": "0.015",
    "run IMAGE true": "0.010",
    "100 copies, no-op": "0.01",
    "1,000 copies, no-op": "10 × of 100",
    "5,000 copies, no-op": "0.3",
}


def tiny(bench):
    context = bench.context("tiny", "FROM busybox:local\nCOPY file /file\nRUN echo made > /made\nCMD [\"cat\", \"/made\"]\n")
    (context / "file").write_text("text\n")
    bench.cold_and_noop("tiny", context, runs=7)
    bare = bench.folder("bare")
    bench.floor("tiny, cold", ["sh", "-c", f"cp {context}/file {bare}/file && echo made > {bare}/made"], runs=7)
    bench.floor("tiny, no-op", ["true"], runs=7)


def forty_steps(bench):
    steps = "".join(f"RUN echo {i} > /step-{i}\n" for i in range(40))
    context = bench.context("forty", "FROM busybox:local\n" + steps)
    bench.cold_and_noop("40 steps", context, runs=5, peer_runs=2)
    bare = bench.folder("bare")
    script = "".join(f"/bin/sh -c 'echo {i} > {bare}/step-{i}'\n" for i in range(40))
    bench.floor("40 steps, cold", ["sh", "-c", script], runs=5)
    bench.floor("40 steps, no-op", ["true"], runs=5)


def big_context(bench):
    context = bench.folder("big")
    generate = bench.checkout / "examples/Dockerfiles/big-context/generate"
    subprocess.run([generate, context], check=True)
    # A file younger than the coarsest clock of a file system is hashed again by whoever is careful; nobody builds a
    # context in the second in which it was made.
    time.sleep(2.5)
    (context / "Dockerfile").write_text("FROM busybox:local\nCOPY tree /srv/tree\n")
    changed = context / "tree/d050/f10042.txt"
    label = "20,000 files"

    def touch(turn):
        changed.write_text(f"changed {turn}\n" * 500)

    for tool in bench.builders:
        for turn in range(bench.runs(tool, 3, 2)):
            tool.reset()
            bench.time(f"{label}, cold", tool, tool.build(context, "big"))
            bench.time(f"{label}, no-op", tool, tool.build(context, "big"))
            touch(f"{tool.name} {turn}")
            bench.time(f"{label}, one changed", tool, tool.build(context, "big"))
        tool.remove()
    bare = bench.work / "bare"
    for _ in range(3):
        shutil.rmtree(bare, ignore_errors=True)
        bench.floor(f"{label}, cold", ["cp", "-a", context / "tree", bare], runs=1)
    bench.floor(f"{label}, no-op", ["find", context / "tree", "-size", "+100M"], runs=3)
    bench.floor(f"{label}, one changed", ["find", context / "tree", "-size", "+100M"], runs=3)
    shutil.rmtree(bare)
    shutil.rmtree(context)


def large_layer(bench):
    context = bench.context("large", "FROM busybox:local\nCOPY work /work\nRUN /work fill /large 512\n")
    shutil.copy(bench.program("work"), context / "work")
    for tool in bench.builders:
        for _ in range(bench.runs(tool, 2, 1)):
            tool.reset()
            bench.time("512 MB layer, into the store", tool, tool.build(context, "large"))
            out = tool.home / "out.tar"
            bench.time("512 MB layer, OCI archive with gzip", tool, tool.export(context, "large", out))
            out.unlink(missing_ok=True)
        tool.remove()
    bare = bench.folder("bare")
    bench.floor("512 MB layer, into the store", [bench.program("work"), "fill", bare / "large", "512"], runs=2)
    # Every core with its own part, the part that each byte must pay.
    bench.floor("512 MB layer, OCI archive with gzip", ["sha256sum", bare / "large"], runs=2)
    shutil.rmtree(bare)


def parallel(bench):
    stages = "".join(f"FROM busybox:local AS part-{i}\nRUN sleep 1 && echo {i} > /part\n" for i in range(6))
    final = "FROM busybox:local\n" + "".join(f"COPY --from=part-{i} /part /part-{i}\n" for i in range(6))
    context = bench.context("parallel", stages + final)
    for tool in bench.builders:
        for _ in range(bench.runs(tool, 3, 1)):
            tool.reset()
            bench.time("six stages that sleep 1 s", tool, tool.build(context, "parallel", jobs=6))
        tool.remove()
    bench.floor("six stages that sleep 1 s", ["sleep", "1"], runs=1)


def big_tree(bench):
    steps = "".join(f"RUN echo {i} > /tree/step-{i}\n" for i in range(5))
    context = bench.context("tree", "FROM busybox:local\nCOPY work /work\nRUN /work tree /tree 50000\n" + steps)
    shutil.copy(bench.program("work"), context / "work")
    bench.cold_and_noop("50,000 files and five steps", context, runs=3, peer_runs=1)
    bare = bench.work / "bare"
    script = f"{bench.program('work')} tree {bare} 50000\n" + "".join(f"/bin/sh -c 'echo {i} > {bare}/step-{i}'\n" for i in range(5))
    for _ in range(2):
        shutil.rmtree(bare, ignore_errors=True)
        bench.floor("50,000 files and five steps, cold", ["sh", "-c", script], runs=1)
    bench.floor("50,000 files and five steps, no-op", ["true"], runs=3)
    shutil.rmtree(bare)


def run_true(bench):
    for tool in bench.runners:
        tool.reset()
        # The first run may prepare something for all later ones.
        bench.warm(tool, tool.run("busybox:local", "true"))
        for _ in range(bench.runs(tool, 20, 5)):
            bench.time("run IMAGE true", tool, tool.run("busybox:local", "true"))
        tool.remove()
    bench.floor("run IMAGE true", ["busybox", "true"], runs=20)


def growth(bench):
    """The curve of a warm build: it has to be a line. The others have no store for so many layers."""
    for steps in (100, 1000, 5000):
        copies = "".join(f"COPY file /d/f{i}\n" for i in range(steps))
        context = bench.context(f"copies-{steps}", "FROM scratch\n" + copies)
        (context / "file").write_text("text\n")
        for tool in bench.builders:
            if tool.name != "rbuild":
                continue
            tool.reset()
            bench.warm(tool, tool.build(context, "copies"))
            for _ in range(bench.runs(tool, 5, 0)):
                bench.time(f"{steps:,} copies, no-op", tool, tool.build(context, "copies"))
            tool.remove()


ALL = {
    "tiny": tiny,
    "steps": forty_steps,
    "context": big_context,
    "layer": large_layer,
    "parallel": parallel,
    "tree": big_tree,
    "run": run_true,
    "growth": growth,
}
