/* The work that steps do in the benchmarks; linked statically, so that it runs in any image and on the host alike.
 *
 *   work fill PATH MIB     writes a file of that many MiB, no two blocks the same; gzip makes about half of it, as of
 *                          programs and packages
 *   work tree DIR FILES    writes that many small files, 100 to a directory
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static uint64_t state = 0x9e3779b97f4a7c15u;

static uint64_t next(void) {
    state ^= state << 13;
    state ^= state >> 7;
    return state ^= state << 17;
}

/* Words of a made-up language in random order, and of every four chunks of 64 KiB one of noise. */
static void compose(char *block, size_t size) {
    static char words[4096][12];
    static uint8_t lengths[4096];
    if (!lengths[0])
        for (int i = 0; i < 4096; i++) {
            lengths[i] = 3 + next() % 8;
            for (int letter = 0; letter < lengths[i]; letter++)
                words[i][letter] = 'a' + next() % 26;
            words[i][lengths[i]++] = ' ';
        }
    for (size_t at = 0; at < size;) {
        uint64_t random = next();
        if (at >> 16 & 3) {
            for (int five = 0; five < 5 && at < size; five++, random >>= 12) {
                int word = random & 4095;
                for (int letter = 0; letter < lengths[word] && at < size; letter++)
                    block[at++] = words[word][letter];
            }
        } else {
            for (int byte = 0; byte < 8 && at < size; byte++, random >>= 8)
                block[at++] = random & 255;
        }
    }
}

static int fill(const char *path, int mib) {
    static char block[1 << 20];
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    if (fd < 0)
        return 1;
    for (int i = 0; i < mib; i++) {
        compose(block, sizeof block);
        if (write(fd, block, sizeof block) != (ssize_t)sizeof block)
            return 1;
    }
    return close(fd) != 0;
}

static int tree(const char *dir, int files) {
    char path[4096];
    mkdir(dir, 0755);
    for (int i = 0; i < files; i++) {
        if (i % 100 == 0) {
            snprintf(path, sizeof path, "%s/d%04d", dir, i / 100);
            if (mkdir(path, 0755))
                return 1;
        }
        snprintf(path, sizeof path, "%s/d%04d/f%06d", dir, i / 100, i);
        int fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0644);
        if (fd < 0 || dprintf(fd, "file %d with a line of its own\n", i) < 0 || close(fd))
            return 1;
    }
    return 0;
}

int main(int argc, char **argv) {
    int failed = 2;
    if (argc == 4 && !strcmp(argv[1], "fill"))
        failed = fill(argv[2], atoi(argv[3]));
    else if (argc == 4 && !strcmp(argv[1], "tree"))
        failed = tree(argv[2], atoi(argv[3]));
    if (failed)
        perror(argc > 2 ? argv[2] : "work");
    return failed;
}
