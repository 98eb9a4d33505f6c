#include <stdio.h>
#include <unistd.h>

int main(int argc, char **argv) {
    printf("hello from scratch: uid %d, pid %d, %d argument%s\n", (int)getuid(), (int)getpid(), argc - 1,
           argc == 2 ? "" : "s");
    for (int i = 1; i < argc; i++)
        puts(argv[i]);
    return 0;
}
