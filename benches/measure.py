"""Measures commands: wall time, CPU time and peak memory, the median of several runs."""
import dataclasses
import os
import pathlib
import statistics
import subprocess


@dataclasses.dataclass
class Cost:
    """What one command took: seconds, seconds of CPU, KiB of the largest process."""

    wall: float
    cpu: float
    memory: int


class Failed(Exception):
    """A measured command ended badly; the text holds its output."""


class Meter:
    """Runs commands through `programs/measure`."""

    def __init__(self, program, work):
        self.program = program
        self.out = pathlib.Path(work) / "measured"
        self.log = pathlib.Path(work) / "output"

    def run(self, argv, env, cwd=None):
        # What was written before must not be flushed on this command's time.
        os.sync()
        with open(self.log, "wb") as log:
            code = subprocess.run([self.program, self.out, *argv], env=env, cwd=cwd, stdin=subprocess.DEVNULL, stdout=log, stderr=log).returncode
        if code != 0:
            raise Failed(f"{' '.join(map(str, argv))}: exit code {code}\n" + self.log.read_text(errors="replace")[-2000:])
        wall, user, system, memory, _ = self.out.read_text().split()
        return Cost(float(wall), float(user) + float(system), int(memory))


def median(costs):
    """The median time with the median CPU; of memory the largest."""
    return Cost(
        statistics.median(c.wall for c in costs), statistics.median(c.cpu for c in costs), max(c.memory for c in costs)
    )
