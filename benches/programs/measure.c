/* Runs a command and writes what it cost: `measure FILE COMMAND...`
 *
 * FILE gets one line: wall seconds, user seconds, system seconds, peak resident KiB of the largest process among the
 * command and the descendants it waited for, exit code. A program of its own because the memory of whoever forks counts
 * towards the child until it execs (setmax_mm_hiwater_rss in the kernel's exec): started from Python, nothing would seem
 * to use less than Python does.
 */
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

int main(int argc, char **argv) {
    struct timespec start, end;
    struct rusage usage;
    int status;
    if (argc < 3)
        return 2;
    FILE *file = fopen(argv[1], "w");
    if (!file)
        return 2;
    clock_gettime(CLOCK_MONOTONIC, &start);
    pid_t child = fork();
    if (child == 0) {
        execvp(argv[2], argv + 2);
        perror(argv[2]);
        _exit(127);
    }
    if (child < 0 || wait4(child, &status, 0, &usage) < 0)
        return 2;
    clock_gettime(CLOCK_MONOTONIC, &end);
    int code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    fprintf(file, "%.6f %ld.%06ld %ld.%06ld %ld %d\n", (end.tv_sec - start.tv_sec) + (end.tv_nsec - start.tv_nsec) / 1e9,
            (long)usage.ru_utime.tv_sec, (long)usage.ru_utime.tv_usec, (long)usage.ru_stime.tv_sec,
            (long)usage.ru_stime.tv_usec, usage.ru_maxrss, code);
    return fclose(file) ? 2 : code;
}
