#!/usr/bin/env python3
"""Whole-process benchmarks of rbuild beside buildah, podman and the bare floor. Called by scripts/bench.

Nothing here passes or fails by time: it prints a table. Every number is the median of several runs; a cold run starts
from a store that holds the base image and nothing else.
"""
import argparse
import collections
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

import scenarios
from measure import Failed, Meter, median
from tools import Buildah, Crun, Podman, Rbuild

CHECKOUT = pathlib.Path(__file__).resolve().parent.parent

NOTES = """\
Seconds are medians; (n×) is how many times as long as rbuild, for rbuild how many times the floor. MB is the peak
resident memory of the largest process among the command and those it waited for. The floor is the same work done bare:
`cp -a` for the cold context, a walk with `find` where nothing or one file changed, writing the file or `sha256sum` of it
for the large layer, the commands of the steps alone for the others. `target` is what rbuild is to reach.
buildah and podman build with `--isolation chroot --layers` on native overlay, the fastest they have, and with
`--jobs 6` for the parallel stages. For `run IMAGE true`, crun starts an unpacked bundle without any image store.
BuildKit and kaniko are not packaged in Debian and are not measured here.
"""


class Bench:
    """What the scenarios are given: tools, folders, and where results go."""

    def __init__(self, work, builders, runners, meter, programs, repeat):
        self.work = pathlib.Path(work)
        self.checkout = CHECKOUT
        self.builders = builders
        self.runners = runners
        self.meter = meter
        self.programs = programs
        self.repeat = repeat
        self.results = collections.defaultdict(lambda: collections.defaultdict(list))
        self.failures = []

    def folder(self, name):
        path = self.work / name
        path.mkdir(parents=True, exist_ok=True)
        return path

    def context(self, name, dockerfile):
        path = self.folder(name)
        (path / "Dockerfile").write_text(dockerfile)
        return path

    def program(self, name):
        return self.programs / name

    def runs(self, tool, ours, peers):
        return max(1, round((ours if tool.name == "rbuild" else peers) * self.repeat))

    def time(self, label, tool, argv):
        try:
            self.results[label][tool.name].append(self.meter.run(argv, tool.env))
        except Failed as error:
            self.failures.append(f"{label}, {tool.name}: {error}")
            print(f"  {label}, {tool.name}: failed", file=sys.stderr)

    def warm(self, tool, argv):
        try:
            self.meter.run(argv, tool.env)
        except Failed as error:
            self.failures.append(f"{tool.name}: {error}")

    def floor(self, label, argv, runs):
        for _ in range(max(1, round(runs * self.repeat))):
            self.results[label]["floor"].append(self.meter.run([str(a) for a in argv], {"PATH": os.environ["PATH"]}))

    def cold_and_noop(self, label, context, runs, peer_runs=3):
        for tool in self.builders:
            for _ in range(self.runs(tool, runs, peer_runs)):
                tool.reset()
                bench_tag = context.name
                self.time(f"{label}, cold", tool, tool.build(context, bench_tag))
                self.time(f"{label}, no-op", tool, tool.build(context, bench_tag))
            tool.remove()


def seconds(value):
    return f"{value:.3f}" if value < 0.1 else f"{value:.2f}" if value < 10 else f"{value:.1f}"


def ratio(value):
    return f"{value:.1f}×" if value < 10 else f"{value:.0f}×"


def table(results, columns):
    head = ["work", "floor", *columns, "target"]
    rows = [head]
    for label in scenarios.TARGETS:
        if label not in results:
            continue
        costs = {name: median(found) for name, found in results[label].items() if found}
        floor, ours = costs.get("floor"), costs.get("rbuild")
        row = [label, seconds(floor.wall) if floor else "–"]
        for name in columns:
            cost = costs.get(name)
            if not cost:
                row.append("–")
                continue
            against = floor if name == "rbuild" else ours
            text = seconds(cost.wall)
            if against and against.wall > 0:
                text += f" ({ratio(cost.wall / against.wall)})"
            row.append(text + f" {cost.memory / 1024:.0f} MB")
        rows.append([*row, scenarios.TARGETS[label]])
    widths = [max(len(row[i]) for row in rows) for i in range(len(head))]
    lines = ["| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths)) + " |" for row in rows]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rbuild", required=True, help="the program to measure")
    parser.add_argument("--base", required=True, help="archive of busybox:local")
    parser.add_argument("--tools", default="rbuild,buildah,podman,crun", help="which take part, separated by commas")
    parser.add_argument("--repeat", type=float, default=1.0, help="factor for the number of runs")
    parser.add_argument("--work", help="where the stores go; a folder on a file system that overlays can use")
    parser.add_argument("--json", help="write the medians there too")
    parser.add_argument("scenario", nargs="*", help=f"any of {', '.join(scenarios.ALL)}; all unless told")
    options = parser.parse_args()
    for name in options.scenario:
        if name not in scenarios.ALL:
            parser.error(f"no scenario is named `{name}`")

    work = pathlib.Path(tempfile.mkdtemp(prefix="rbuild-bench-", dir=options.work))
    work.chmod(0o755)
    tools = []
    try:
        programs = work / "programs"
        programs.mkdir()
        for name in ("measure", "work"):
            source = CHECKOUT / "benches/programs" / f"{name}.c"
            subprocess.run(["gcc", "-O2", "-static", "-o", programs / name, source], check=True)
        candidates = [Rbuild(work, options.base, options.rbuild), Buildah(work, options.base), Podman(work, options.base), Crun(work, options.base)]
        for tool in candidates:
            if tool.name not in options.tools.split(","):
                continue
            if why := tool.missing():
                print(f"{tool.name} takes no part: {why}", file=sys.stderr)
                continue
            tools.append(tool)
        bench = Bench(
            work, [t for t in tools if hasattr(t, "build")], [t for t in tools if hasattr(t, "run")],
            Meter(programs / "measure", work), programs, options.repeat,
        )
        begun = time.monotonic()
        for name in options.scenario or scenarios.ALL:
            print(f"{name} … ({time.monotonic() - begun:.0f} s)", file=sys.stderr)
            scenarios.ALL[name](bench)
        columns = [tool.name for tool in tools]
        print(table(bench.results, columns))
        print()
        print(NOTES, end="")
        print(f"{os.cpu_count()} cores, kernel {os.uname().release}, as {'root' if os.geteuid() == 0 else 'an ordinary user'}, in {time.monotonic() - begun:.0f} s")
        for failure in bench.failures:
            print(f"\nfailed: {failure}", file=sys.stderr)
        if options.json:
            medians = {label: {name: vars(median(costs)) for name, costs in by.items() if costs} for label, by in bench.results.items()}
            pathlib.Path(options.json).write_text(json.dumps(medians, indent=1) + "\n")
        return 1 if bench.failures else 0
    finally:
        for tool in tools:
            tool.remove()
        shutil.rmtree(work, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
